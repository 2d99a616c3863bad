package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	_ "google.golang.org/grpc/xds" // the xds scheme, for proxyless service meshes
)

// The service carries the HTTP protocol's bodies as bytes. A mesh looks at the
// call, not into it.
const (
	service = "e2e.Model"
	method  = "/" + service + "/Infer"
)

// server is the model by gRPC: a failure of the model is Internal.
func (m *model) server() *grpc.Server {
	infer := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in wrapperspb.BytesValue
		if err := decode(&in); err != nil {
			return nil, err
		}
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v2/models/churn/infer", bytes.NewReader(in.Value))
		code, body := m.answer(r)
		switch {
		case code == http.StatusOK:
			return wrapperspb.Bytes(body), nil
		case code >= http.StatusInternalServerError:
			return nil, status.Error(codes.Internal, string(body))
		}
		return nil, status.Error(codes.InvalidArgument, string(body))
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: service, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Infer", Handler: infer}},
	}, m)
	healthpb.RegisterHealthServer(s, health.NewServer())
	return s
}

// call answers HTTP by calls to a target.
func call(ctx context.Context, target string) error {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	return listenHTTP(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return // a probe
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var out wrapperspb.BytesValue
		err = invoke(r.Context(), conn, body, &out)
		w.Header().Set("Content-Type", "application/json")
		switch said := status.Convert(err); {
		case err == nil:
			_, _ = w.Write(out.Value) // the client may be gone; nobody is left to tell
		case said.Code() == codes.Internal && json.Valid([]byte(said.Message())):
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, said.Message())
		default:
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}))
}

// unknown begins gRPC's error for a request that chose a cluster which the
// balancer has not heard of yet. grpc-go hands a new route to its requests
// before it hands the route's clusters to its balancer (ClientConn's
// updateResolverStateAndUnlock), so that one of them may fail whenever a route
// gets another destination. Such a request was sent to nobody.
const unknown = "unknown cluster selected for RPC"

// invoke calls the model once, and chooses again while gRPC itself does not know
// its choice.
func invoke(ctx context.Context, conn *grpc.ClientConn, body []byte, out *wrapperspb.BytesValue) error {
	for wait := time.Millisecond; ; wait *= 2 {
		err := conn.Invoke(ctx, method, wrapperspb.Bytes(body), out)
		if said := status.Convert(err); said.Code() != codes.Unavailable || !strings.HasPrefix(said.Message(), unknown) || wait > time.Second {
			return err
		}
		log.Printf("chooses again after %v: %v", wait, err)
		time.Sleep(wait)
	}
}
