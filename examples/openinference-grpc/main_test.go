package main

import (
	"context"
	"errors"
	"math"
	"net"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/haldane-dev/haldane/examples/internal/serving"
)

func customers(t *testing.T) []serving.Record {
	t.Helper()
	all, err := serving.Customers()
	if err != nil {
		t.Fatal(err)
	}
	var out []serving.Record
	for _, c := range all[:50] {
		out = append(out, serving.NewRecord(c))
	}
	return out
}

// Typed and raw tensors say the same, in the request and in the answer.
func TestInfer(t *testing.T) {
	m, err := serving.LoadScorer("good")
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range customers(t) {
		p, err := m.Score(c)
		if err != nil {
			t.Fatal(err)
		}
		want, sure := "yes", p
		if p < 0.5 {
			want, sure = "no", 1-p
		}
		out, err := server{m}.infer(ask("id", c, i%2 == 0))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		if err := out.visit(func(name string, i int, v any) { got[name] = v }); err != nil {
			t.Fatal(err)
		}
		if probability, _ := got["probability"].(float64); got["label"] != want || math.Abs(probability-sure) > 1e-12 {
			t.Errorf("answered %v, want %s with %v", got, want, sure)
		}
		if out.isRaw() != (i%2 == 0) || out.text("id") != "id" || out.text("model_name") != "churn" {
			t.Errorf("answered %v", out)
		}
	}
}

func TestStatus(t *testing.T) {
	m, err := serving.LoadScorer("errors")
	if err != nil {
		t.Fatal(err)
	}
	c := customers(t)[0]
	c["tenure"] = 72.0 // beyond the table of this version
	if _, err := (server{m}).infer(ask("", c, false)); status.Code(err) != codes.Internal {
		t.Errorf("a customer it cannot score: %v, want %s", err, codes.Internal)
	}
	delete(c, "contract")
	if _, err := (server{m}).infer(ask("", c, true)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no customer: %v, want %s", err, codes.InvalidArgument)
	}
	bad := newRequest()
	bad.add("tenure", []string{"twelve"}, nil, true)
	bad.Mutable(field(bad, "raw")).List().Truncate(0)
	bad.add("contract", []string{"Two year"}, nil, true) // two tensors, one of them without contents
	if _, err := (server{m}).infer(bad); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a tensor without contents: %v, want %s", err, codes.InvalidArgument)
	}
}

func TestTruncatedContents(t *testing.T) {
	for _, isText := range []bool{false, true} {
		if err := visitRaw([]byte{5, 0, 0, 0, 'a'}, isText, func(int, any) {}); !errors.Is(err, errTruncated) {
			t.Errorf("text %t: %v, want %v", isText, err, errTruncated)
		}
	}
}

// The server and the clients, over a connection.
func TestServes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, "v1", l) }()
	send, err := dial("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		if _, err := send(ctx, n); err != nil {
			t.Errorf("request %d: %v", n, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, err := send(t.Context(), 0); !errors.Is(err, serving.ErrUnreachable) {
		t.Errorf("when it has ended: %v, want %v", err, serving.ErrUnreachable)
	}
}
