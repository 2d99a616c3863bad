package check

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestHTTP(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get(Header) != "golden" || r.Host != "churn.shop" || r.Header.Get("Content-Type") != "application/json" ||
			r.URL.String() != "/base/infer?a=b" || string(body) != "{}" || r.Method != http.MethodPut {
			t.Errorf("%s %s %s %v %s", r.Method, r.Host, r.URL, r.Header, body)
		}
		w.Header().Set("Location", "/login")
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, "one\x01\ntwo")
	})
	r := Request{Method: http.MethodPut, Path: "/infer?a=b", Header: map[string]string{"host": "churn.shop"}, Body: []byte("{}")}
	var got Answer
	see := func(a Answer) error { got = a; return nil }
	if err := HTTP("golden", r, nil, see)(t.Context(), at+"/base/"); err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusFound || string(got.Body) != "one\x01\ntwo" || got.Latency <= 0 || got.Header.Get("Location") == "" {
		t.Errorf("answer %+v", got)
	}
	err := HTTP("golden", r, nil, see, func(Answer) error { return errors.New("is wrong") })(t.Context(), at+"/base")
	if err == nil || !strings.HasPrefix(err.Error(), "is wrong: it answered 302 Found in ") || !strings.HasSuffix(err.Error(), ": one") {
		t.Errorf("says %v", err)
	}
}

func TestNoAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + ln.Addr().String()
	_ = ln.Close()
	release := make(chan struct{})
	defer close(release)
	for _, c := range []struct{ name, at, says string }{
		{"nobody there", closed, "accepts no connection"},
		{"too slow", serve(t, func(http.ResponseWriter, *http.Request) { <-release }), "does not answer in time"},
		{"hangs up", serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "hangs up without an answer"},
		{"too long", serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, MaxAnswer+1)) }), "answers more than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			limit := time.Minute
			if c.name == "too slow" {
				limit = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := HTTP("a", Request{Method: http.MethodGet, Path: "/"}, nil)(ctx, c.at)
			if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, ErrUnsent) {
				t.Errorf("says %v, want %q", err, c.says)
			}
		})
	}
	if err := HTTP("a", Request{Method: "GE T", Path: "/"}, nil)(t.Context(), closed); !errors.Is(err, ErrUnsent) {
		t.Errorf("what cannot be sent: %v", err)
	}
}

func TestOpenInferenceOverHTTP(t *testing.T) {
	unready := ""
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == unready || r.URL.Path != "/v2/health/ready" && r.URL.Path != "/v2/models/churn/ready" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	for _, c := range []struct{ model, unready, says string }{
		{"", "/v2/models/churn/ready", ""},
		{"churn", "", ""},
		{"churn", "/v2/health/ready", "is not ready: it answered 503"},
		{"churn", "/v2/models/churn/ready", "has model churn not ready"},
		{"other", "", "has model other not ready"},
	} {
		unready = c.unready
		err := OpenInference("ready", c.model, false, nil)(t.Context(), at)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// models answers the Open Inference Protocol over gRPC, as raw messages.
type models struct {
	ready map[string]bool // "" is the server
	name  string          // of the check that asked last
}

func (m *models) handle(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	in := []byte{}
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	md, _ := metadata.FromIncomingContext(s.Context())
	if v := md.Get(Header); len(v) == 1 {
		m.name = v[0]
	}
	asked := ""
	switch {
	case strings.HasSuffix(method, "/ModelReady"):
		_, _, n := protowire.ConsumeTag(in)
		asked, _ = protowire.ConsumeString(in[n:])
	case !strings.HasSuffix(method, "/ServerReady"):
		return status.Error(codes.Unimplemented, method)
	}
	ready, known := m.ready[asked]
	if !known {
		return status.Errorf(codes.NotFound, "no model %s", asked)
	}
	out := protowire.AppendTag(nil, 7, protowire.BytesType) // a field that we do not know
	out = protowire.AppendString(out, "later")
	out = protowire.AppendVarint(protowire.AppendTag(out, 1, protowire.VarintType), protowire.EncodeBool(ready))
	return s.SendMsg(&out)
}

func TestOverGRPC(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &models{ready: map[string]bool{"": true, "churn": true, "loading": false}}
	raw := grpc.NewServer(grpc.UnknownServiceHandler(m.handle), grpc.ForceServerCodec(rawCodec{}))
	go func() { _ = raw.Serve(ln) }()
	defer raw.Stop()
	at := "http://" + ln.Addr().String()
	for model, says := range map[string]string{"": "", "churn": "", "loading": "has model loading not ready", "other": "answers NotFound: no model other"} {
		err := OpenInference("ready", model, true, nil)(t.Context(), at)
		if says == "" && err != nil || says != "" && (err == nil || err.Error() != says) {
			t.Errorf("model %q: %v, want %q", model, err, says)
		}
	}
	if m.name != "ready" {
		t.Errorf("asked by %q", m.name)
	}
	m.ready[""] = false
	if err := OpenInference("ready", "churn", true, nil)(t.Context(), at); err == nil || err.Error() != "is not ready" {
		t.Errorf("a server that is not ready: %v", err)
	}
	if err := GRPCHealth("live", "")(t.Context(), at); err == nil || err.Error() != "has no grpc.health.v1 service" {
		t.Errorf("a server without the protocol: %v", err)
	}
	if err := GRPCHealth("live", "")(t.Context(), "::"); !errors.Is(err, ErrUnsent) {
		t.Errorf("no address: %v", err)
	}
}

func TestGRPCHealth(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, s := health.NewServer(), grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, h)
	h.SetServingStatus("loading", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	go func() { _ = s.Serve(ln) }()
	at := "http://" + ln.Addr().String()
	for service, says := range map[string]string{"": "", "loading": "reports NOT_SERVING", "other": `does not know the service "other"`} {
		err := GRPCHealth("live", service)(t.Context(), at)
		if says == "" && err != nil || says != "" && (err == nil || err.Error() != says) {
			t.Errorf("service %q: %v, want %q", service, err, says)
		}
	}
	s.Stop()
	if err := GRPCHealth("live", "")(t.Context(), at); err == nil || err.Error() != "accepts no connection" {
		t.Errorf("nobody there: %v", err)
	}
}
