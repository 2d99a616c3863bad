package routertest_test

import (
	"testing"

	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/routertest"
)

func TestFakeKeepsTheContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		f := &routertest.Fake{}
		return routertest.Harness{
			Router: f,
			Target: router.Target{Rollout: "churn"},
			Snapshot: func(*testing.T) any {
				s, ok := f.Current()
				return []any{s, ok}
			},
			Send: func(_ *testing.T, n int) (int, int) {
				s, _ := f.Current()
				canary := int(s.Canary.Share() * float64(n))
				return n - canary, canary
			},
		}
	})
}
