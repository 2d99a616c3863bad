package gateway

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/traffic"
)

type text = wrapperspb.StringValue

// raws are messages that are passed as they are.
type raws struct{}

func (raws) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raws) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (raws) Name() string { return "proto" }

// model serves the calls that the tests make.
var model = grpc.ServiceDesc{
	ServiceName: "test.Model", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: say}},
	Streams: []grpc.StreamDesc{{StreamName: "Talk", Handler: talk, ServerStreams: true, ClientStreams: true}},
}

func say(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in text
	if err := decode(&in); err != nil {
		return nil, err
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if err := grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "t")); err != nil {
		return nil, err
	}
	switch in.Value {
	case "invalid":
		return nil, status.Error(codes.InvalidArgument, "no such input: é%")
	case "broken":
		return nil, status.Error(codes.Internal, "out of memory")
	}
	return &text{Value: in.Value + " " + strings.Join(md.Get(HeaderArm), ",")}, nil
}

func talk(_ any, s grpc.ServerStream) error {
	for {
		var in text
		switch err := s.RecvMsg(&in); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := s.SendMsg(&text{Value: "re: " + in.Value}); err != nil {
			return err
		}
	}
}

func serveGRPC(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := grpc.NewServer(options...)
	register(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Errorf("serve gRPC: %v", err)
		}
	})
	return "http://" + ln.Addr().String()
}

func grpcClient(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func startGRPC(t *testing.T) (*rig, *grpc.ClientConn) {
	var table Table
	table.Upstreams[0] = Upstream{URL: serveGRPC(t, func(s *grpc.Server) { s.RegisterService(&model, nil) }), Version: "v1"}
	r := startTable(t, table)
	return r, grpcClient(t, r.addr)
}

func TestUnaryCall(t *testing.T) {
	r, c := startGRPC(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out text
	var head, trailer metadata.MD
	must(t, c.Invoke(ctx, "/test.Model/Say", &text{Value: "hello"}, &out, grpc.Header(&head), grpc.Trailer(&trailer)))
	if out.Value != "hello stable" {
		t.Errorf("got %q", out.Value)
	}
	if v := head.Get(HeaderVersion); len(v) != 1 || v[0] != "v1" {
		t.Errorf("headers %v", head)
	}
	if v := trailer.Get("x-trailer"); len(v) != 1 || v[0] != "t" {
		t.Errorf("trailers %v", trailer)
	}
	if x := r.ledger.exchange(t, 0); x.Failed || x.Status != 200 {
		t.Errorf("recorded %+v", x)
	}
}

func TestStatusOfCalls(t *testing.T) {
	r, c := startGRPC(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, w := range []struct {
		say    string
		code   codes.Code
		status int
		failed bool
	}{{"invalid", codes.InvalidArgument, 400, false}, {"broken", codes.Internal, 500, true}} {
		var trailer metadata.MD
		err := c.Invoke(ctx, "/test.Model/Say", &text{Value: w.say}, &text{}, grpc.Trailer(&trailer))
		if status.Code(err) != w.code || len(trailer.Get("x-trailer")) != 1 {
			t.Errorf("%s: %v, trailers %v", w.say, err, trailer)
		}
		if x := r.ledger.exchange(t, i); x.Failed != w.failed || x.Status != w.status {
			t.Errorf("%s is recorded as %+v", w.say, x)
		}
	}
}

// Each message is sent after the answer to the one before: both directions are
// open at once, or nothing moves.
func TestBidirectionalStream(t *testing.T) {
	r, c := startGRPC(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Model/Talk")
	must(t, err)
	for _, say := range []string{"a", "b", "c"} {
		must(t, s.SendMsg(&text{Value: say}))
		var out text
		must(t, s.RecvMsg(&out))
		if out.Value != "re: "+say {
			t.Fatalf("got %q", out.Value)
		}
	}
	must(t, s.CloseSend())
	if err := s.RecvMsg(&text{}); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	if x := r.ledger.exchange(t, 0); x.Failed || x.Cancelled || x.Status != 200 {
		t.Errorf("recorded %+v", x)
	}
}

func TestCallThatIsCancelled(t *testing.T) {
	r, c := startGRPC(t)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Model/Talk")
	must(t, err)
	must(t, s.SendMsg(&text{Value: "a"}))
	must(t, s.RecvMsg(&text{}))
	cancel()
	if x := r.ledger.exchange(t, 0); !x.Cancelled || x.Failed {
		t.Errorf("recorded %+v", x)
	}
}

func TestCallOfAModelThatIsDown(t *testing.T) {
	var table Table
	table.Upstreams[0] = Upstream{URL: deadEnd(t), Version: "v1"}
	r := startTable(t, table)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := grpcClient(t, r.addr).Invoke(ctx, "/test.Model/Say", &text{}, &text{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "stable v1 refused the connection") {
		t.Errorf("got %v", err)
	}
	if x := r.ledger.exchange(t, 0); !x.Failed || x.Status != 502 {
		t.Errorf("recorded %+v", x)
	}
}

// modelInfer answers ModelInfer with one probability, whatever is asked.
func modelInfer(p float64) func(*grpc.Server) {
	var contents, tensor, message []byte
	contents = protowire.AppendTag(contents, 7, protowire.BytesType) // fp64_contents, packed
	contents = protowire.AppendBytes(contents, protowire.AppendFixed64(nil, math.Float64bits(p)))
	tensor = protowire.AppendString(protowire.AppendTag(tensor, 1, protowire.BytesType), "probability")
	tensor = protowire.AppendString(protowire.AppendTag(tensor, 2, protowire.BytesType), "FP64")
	tensor = protowire.AppendBytes(protowire.AppendTag(tensor, 3, protowire.BytesType), []byte{1})
	tensor = protowire.AppendBytes(protowire.AppendTag(tensor, 5, protowire.BytesType), contents)
	message = protowire.AppendBytes(protowire.AppendTag(message, 5, protowire.BytesType), tensor)
	desc := grpc.ServiceDesc{ServiceName: "inference.GRPCInferenceService", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "ModelInfer",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var in []byte
			return &message, decode(&in)
		},
	}}}
	return func(s *grpc.Server) { s.RegisterService(&desc, nil) }
}

func TestModelInferIsReadAndMirrored(t *testing.T) {
	var table Table
	for arm, p := range []float64{0.9, 0.2} {
		table.Upstreams[arm].URL = serveGRPC(t, modelInfer(p), grpc.ForceServerCodec(raws{}))
	}
	table.Split = mirrorAll
	events := make(chan PredictionEvent, 2)
	r := startTable(t, table, func(c *Config) { c.OnPrediction = func(e PredictionEvent) { events <- e } })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in := protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), "c-7") // id
	var out []byte
	must(t, grpcClient(t, r.addr).Invoke(ctx, "/inference.GRPCInferenceService/ModelInfer", &in, &out, grpc.ForceCodec(raws{})))
	x := r.ledger.exchange(t, 0)
	if x.Protocol != inference.OpenInferenceGRPC || !x.Read || len(x.Predictions) != 1 || x.Predictions[0].Value != 0.9 {
		t.Errorf("recorded %+v", x)
	}
	// gRPC sends its head before the message: the ID in it cannot know the answer.
	if e := <-events; e.InID || e.RequestID != "c-7" || e.Score != 0.9 || e.Arm != traffic.Stable {
		t.Errorf("told of %+v", e)
	}
	r.ledger.await(t, "the pair", func() bool { return len(r.ledger.pairs) == 1 })
	if p := r.ledger.pairs[0]; !p.Comparable || !p.Disagree || p.CanaryBad {
		t.Errorf("recorded %+v", p)
	}
}
