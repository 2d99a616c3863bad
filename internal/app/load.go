package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"strconv"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/load"
	"github.com/haldane-dev/haldane/internal/router/object"
)

// front is the split as users reach it.
type front struct {
	address func(context.Context) (string, error)
	mark    string        // by which a gateway tells load; "" if none can
	users   func() uint64 // requests of users so far; nil if nobody knows
}

// clusterFront is the address that the file says, or that of the gateways.
func clusterFront(r cluster.Rollout, allow func(string) error, mark string) front {
	f := front{mark: mark}
	if r.Spec.Routing.Gateway == nil {
		f.mark = "" // nobody there knows it, and it is to stay so
	}
	f.address = func(ctx context.Context) (string, error) {
		if l := r.Spec.Analysis.Load; l.Address != "" {
			if err := allow(l.Address); err != nil {
				return "", fmt.Errorf("address %w", err)
			}
			return l.Address, nil
		}
		port, err := object.Port(ctx, r, "http")
		if err != nil {
			return "", err
		}
		return "http://" + net.JoinHostPort(r.Spec.Routing.Gateway.Fleet.Service+"."+r.Namespace+".svc", strconv.Itoa(int(port))), nil
	}
	return f
}

// newMark makes a text that nobody else knows, for as long as the process lives.
func newMark() string { return rand.Text() }

// told is how a gateway tells the load of a file that carries mark, nil if there
// is none.
func told(l *v1alpha1.SyntheticLoad, mark string) *gateway.Load {
	if l == nil {
		return nil
	}
	return &gateway.Load{Digest: sha256.Sum256([]byte(mark)), Count: *l.Count, Watch: l.Fill}
}

// generator makes the load of a valid file, nil if it has none. The error names
// the field whose file cannot be used.
func generator(m *v1alpha1.ModelRollout, by caller) (*load.Generator, error) {
	l := m.Spec.Analysis.Load
	if l == nil {
		return nil, nil
	}
	bodies, err := loadBodies(l, by.arms)
	if err != nil {
		return nil, fmt.Errorf("spec.analysis.load.%w", err)
	}
	c := load.Config{
		Rate: l.Rate, Address: by.front.address, Method: l.Request.Method, Path: l.Request.Path,
		Header: texts(l.Request.Headers), Bodies: bodies, MarkHeader: gateway.HeaderLoad, Mark: by.front.mark,
		Concurrent: int(l.Concurrent), Timeout: l.Timeout.Duration,
	}
	if from := l.Request.TokenFrom; from != nil {
		c.Authorization = func(ctx context.Context) (string, error) { return by.arms.token(ctx, from) }
	}
	if s := m.Spec.Routing.StickyBy; s != nil {
		c.Users, c.UserHeader, c.UserCookie = int(l.Users), s.Header, s.Cookie
	}
	if l.Duration != nil {
		c.Duration = l.Duration.Duration
	}
	if l.Fill {
		c.UserRequests = by.front.users
	}
	return load.New(c), nil
}

// loadBodies returns how the bodies are read: a file of this machine now, what is
// in a ConfigMap whenever sending begins.
func loadBodies(l *v1alpha1.SyntheticLoad, by arms) (func(context.Context) ([][]byte, error), error) {
	var ready [][]byte
	switch r := l.Request; {
	case l.Bodies != nil && l.Bodies.File != "":
		text, err := by.file(l.Bodies.File)
		if err != nil {
			return nil, fmt.Errorf("bodies.file: %w", err)
		}
		if ready = load.Lines(text); len(ready) == 0 {
			return nil, fmt.Errorf("bodies.file: %s has no lines", l.Bodies.File)
		}
	case l.Bodies != nil:
		return func(ctx context.Context) ([][]byte, error) {
			text, err := by.key(ctx, *l.Bodies.From)
			return load.Lines(text), err
		}, nil
	case r.BodyFrom != nil:
		return func(ctx context.Context) ([][]byte, error) {
			text, err := by.key(ctx, *r.BodyFrom)
			return [][]byte{text}, err
		}, nil
	default:
		text, err := content(by, "request.bodyFile", r.BodyFile, r.JSON, []byte(r.Body))
		if err != nil {
			return nil, err
		}
		ready = [][]byte{text}
	}
	return func(context.Context) ([][]byte, error) { return ready, nil }, nil
}
