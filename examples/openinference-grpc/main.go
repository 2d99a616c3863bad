// Command openinference-grpc is a model server of the Open Inference Protocol
// over gRPC, as Triton, KServe and Seldon have it, and its clients. It answers
// inference.GRPCInferenceService/ModelInfer with two tensors, label and
// probability, for each customer of the request, and the gRPC health protocol.
//
// Requests come with typed tensors and with raw ones in turn, and are answered
// in kind.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/haldane-dev/haldane/examples/internal/serving"
)

func main() {
	serving.Main(serving.Program{Variants: []string{"v1", "good", "errors", "drift"}, Serve: serve, Dial: dial})
}

const (
	service = "inference.GRPCInferenceService"
	method  = "/" + service + "/ModelInfer"
)

// maxCustomers bounds one request.
const maxCustomers = 1000

type server struct{ model serving.Scorer }

func serve(ctx context.Context, variant string, l net.Listener) error {
	m, err := serving.LoadScorer(variant)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: service, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "ModelInfer", Handler: modelInfer}},
	}, server{m})
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	defer context.AfterFunc(ctx, s.GracefulStop)()
	if err := s.Serve(l); err != nil {
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	}
	return nil
}

func modelInfer(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := newRequest()
	if err := decode(in.Message); err != nil {
		return nil, err
	}
	out, err := srv.(server).infer(in)
	return out.Message, err
}

func (s server) infer(in message) (message, error) {
	var rows []serving.Record
	err := in.visit(func(name string, i int, v any) {
		for len(rows) <= min(i, maxCustomers-1) {
			rows = append(rows, serving.Record{})
		}
		if i < len(rows) {
			rows[i][name] = v
		}
	})
	if err != nil {
		return message{}, status.Error(codes.InvalidArgument, err.Error())
	}
	labels, probabilities := make([]string, len(rows)), make([]float64, len(rows))
	for i, row := range rows {
		p, err := s.model.Score(row)
		switch {
		case errors.Is(err, serving.ErrBadRecord):
			return message{}, status.Errorf(codes.InvalidArgument, "customer %d: %v", i, err)
		case err != nil:
			return message{}, status.Errorf(codes.Internal, "customer %d: %v", i, err)
		}
		labels[i], probabilities[i] = "yes", p
		if p < 0.5 {
			labels[i], probabilities[i] = "no", 1-p
		}
	}
	out := newResponse()
	out.setText("model_name", in.text("model_name"))
	out.setText("id", in.text("id"))
	out.add("label", labels, nil, in.isRaw())
	out.add("probability", nil, probabilities, in.isRaw())
	return out, nil
}

// ask is the request about one customer.
func ask(id string, customer serving.Record, raw bool) message {
	m := newRequest()
	m.setText("model_name", "churn")
	m.setText("id", id)
	for _, column := range slices.Sorted(maps.Keys(customer)) {
		switch v := customer[column].(type) {
		case string:
			m.add(column, []string{v}, nil, raw)
		case float64:
			m.add(column, nil, []float64{v}, raw)
		}
	}
	return m
}

func dial(base string) (serving.Ask, error) {
	customers, err := serving.Customers()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, n int) (a serving.Answer, err error) {
		c := customers[n%len(customers)]
		head, out := metadata.MD{}, newResponse()
		err = conn.Invoke(ctx, method, ask(c.ID, serving.NewRecord(c), n%2 == 1).Message, out.Message, grpc.Header(&head))
		if v := head.Get("X-Haldane-Version"); len(v) > 0 {
			a.Version = v[0]
		}
		if status.Code(err) == codes.Unavailable && a.Version == "" {
			err = fmt.Errorf("%w: %w", serving.ErrUnreachable, err)
		}
		return a, err
	}, nil
}
