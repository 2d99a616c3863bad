package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// throughGateway are the namespaces whose clients call the gateway by now.
var throughGateway sync.Map

// gatewayFleet is Haldane's own gateway, two of them, counted by their own
// metrics.
var gatewayFleet = driver{
	name:     "gateway",
	routing:  `{gateway: {}}`,
	replicas: 2, ladder: ladder, shares: shares, sources: []source{gateways},
	send: func(s *space) sender {
		s.account()
		direct, through := byService(s.Cluster, "churn."+s.name), byService(s.Cluster, "churn-gateway."+s.name)
		return func(r request) (*http.Response, error) {
			if _, ok := throughGateway.Load(s.name); ok {
				return through(r)
			}
			return direct(r)
		}
	},
	after:   func(s *space) { throughGateway.Store(s.name, true) },
	leaving: func(s *space) { throughGateway.Delete(s.name) },
	tamper: func(s *space) {
		s.kubectl("patch", "gatewaytable", "churn-gateway", "--type=merge", "-p", `{"spec":{"table":"{}","canary":"99%"}}`)
	},
	tampered: func(s *space) error { return s.is("gatewaytable/churn-gateway", "{.spec.canary}", "50%") },
	restored: func(s *space) error {
		if got := s.kubectl("get", "gatewaytables,deployments,services", "-l", "haldane.dev/gateway", "-o", "name"); strings.TrimSpace(got) != "" {
			return fmt.Errorf("there are %s", got)
		}
		return nil
	},
}

// TestGateway runs every router's scenarios for the gateway.
func TestGateway(t *testing.T) {
	w := newWorld(t, clustertest.Options{Prometheus: true})
	for _, x := range scenarios {
		if !x.of(gatewayFleet) {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			x.run(begun(t, w, gatewayFleet, x))
		})
	}
	t.Run("flag", func(t *testing.T) {
		t.Parallel()
		testFlag(t, w)
	})
	t.Run("switch", func(t *testing.T) {
		t.Parallel()
		testSwitch(begun(t, w, switched(), scenario{steps: `[{weight: 50}, {pause: {}}, {weight: 100}]`}))
	})
}
