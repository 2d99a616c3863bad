package web_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/haldane-dev/haldane/internal/web"
)

func newServer(t *testing.T, s *web.Server) string {
	t.Helper()
	srv := httptest.NewServer(s.Handler(true))
	t.Cleanup(srv.Close)
	return srv.URL
}

// Subscribe drops blocks of even number, as a subscription does whose reader
// is slow.
func (l lossy) Subscribe(ctx context.Context, name string) (<-chan web.Update, error) {
	all, err := l.Fake.Subscribe(ctx, name)
	if err != nil {
		return nil, err
	}
	some := make(chan web.Update, cap(all))
	go func() {
		defer close(some)
		for u := range all {
			if u.Block == nil || u.Block.Block%2 == 1 {
				some <- u
			}
		}
	}()
	return some, nil
}
