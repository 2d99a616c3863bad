package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// GRPCHealth returns a probe that wants the service, "" for the whole server, to
// be SERVING by grpc.health.v1.
func GRPCHealth(name, service string) Probe {
	return overGRPC(name, func(ctx context.Context, c *grpc.ClientConn) error {
		answer, err := grpc_health_v1.NewHealthClient(c).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
		switch {
		case status.Code(err) == codes.Unimplemented:
			return errors.New("has no grpc.health.v1 service")
		case status.Code(err) == codes.NotFound:
			return fmt.Errorf("does not know the service %q", service)
		case err != nil:
			return err
		case answer.Status != grpc_health_v1.HealthCheckResponse_SERVING:
			return fmt.Errorf("reports %s", answer.Status)
		}
		return nil
	})
}

// OpenInference returns a probe that wants the server, and the model unless it
// is "", to be ready by the Open Inference Protocol.
func OpenInference(name, model string, byGRPC bool, transport http.RoundTripper) Probe {
	if byGRPC {
		return openInferenceGRPC(name, model)
	}
	ready := func(a Answer) error {
		if a.Status != http.StatusOK {
			return errors.New("is not ready")
		}
		return nil
	}
	probes := []Probe{HTTP(name, Request{Method: http.MethodGet, Path: "/v2/health/ready"}, transport, ready)}
	if model != "" {
		loaded := func(a Answer) error {
			if a.Status != http.StatusOK {
				return fmt.Errorf("has model %s not ready", model)
			}
			return nil
		}
		probes = append(probes, HTTP(name, Request{Method: http.MethodGet, Path: "/v2/models/" + url.PathEscape(model) + "/ready"}, transport, loaded))
	}
	return func(ctx context.Context, address string) error {
		for _, ask := range probes {
			if err := ask(ctx, address); err != nil {
				return err
			}
		}
		return nil
	}
}

func openInferenceGRPC(name, model string) Probe {
	const service = "/inference.GRPCInferenceService/"
	return overGRPC(name, func(ctx context.Context, c *grpc.ClientConn) error {
		if ready, err := askReady(ctx, c, service+"ServerReady", nil); err != nil || !ready {
			return orUnready(err, errors.New("is not ready"))
		}
		if model == "" {
			return nil
		}
		in := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), model) // ModelReadyRequest.name
		if ready, err := askReady(ctx, c, service+"ModelReady", in); err != nil || !ready {
			return orUnready(err, fmt.Errorf("has model %s not ready", model))
		}
		return nil
	})
}

func orUnready(err, unready error) error {
	if err != nil {
		return err
	}
	return unready
}

// askReady calls a method whose answer is a message with a bool in field 1.
func askReady(ctx context.Context, c *grpc.ClientConn, method string, in []byte) (ready bool, err error) {
	var out []byte
	if err := c.Invoke(ctx, method, &in, &out, grpc.ForceCodec(rawCodec{})); err != nil {
		return false, err
	}
	for len(out) > 0 {
		number, kind, n := protowire.ConsumeTag(out)
		if n < 0 {
			return false, errors.New("answers what is no message")
		}
		out = out[n:]
		if number == 1 && kind == protowire.VarintType {
			v, n := protowire.ConsumeVarint(out)
			if n < 0 {
				return false, errors.New("answers what is no message")
			}
			ready, out = v != 0, out[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(number, kind, out); n < 0 {
			return false, errors.New("answers what is no message")
		}
		out = out[n:]
	}
	return ready, nil
}

// rawCodec passes the bytes of messages through.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// overGRPC returns a probe that makes a connection of its own, as HTTP does.
func overGRPC(name string, ask func(context.Context, *grpc.ClientConn) error) Probe {
	return func(ctx context.Context, address string) error {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return Unsent(fmt.Errorf("%q is no address", address))
		}
		creds := insecure.NewCredentials()
		if u.Scheme == "https" {
			creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
		}
		c, err := grpc.NewClient("passthrough:///"+hostPort(u), grpc.WithTransportCredentials(creds), grpc.WithNoProxy(),
			grpc.WithUserAgent("haldane-check"))
		if err != nil {
			return Unsent(err)
		}
		defer c.Close()
		ctx = metadata.AppendToOutgoingContext(ctx, Header, name)
		err = ask(ctx, c)
		said, byGRPC := status.FromError(err)
		switch {
		case err == nil || !byGRPC:
			return err
		case said.Code() == codes.DeadlineExceeded:
			return errors.New("does not answer in time")
		case said.Code() == codes.Unavailable:
			return errors.New("accepts no connection")
		}
		return fmt.Errorf("answers %s: %s", said.Code(), said.Message())
	}
}

// hostPort is the host of u with the scheme's port if it names none.
func hostPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Host
	case u.Scheme == "https":
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}
