package e2e

import (
	"net/http"
	"testing"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// driver is a router as the scenarios use it.
type driver struct {
	name string
	// routing is the rollout's field of that name.
	routing string
	// before is what the user has beside the Deployment and its Service.
	before string
	// send reaches the model from outside, as the user's clients do.
	send func(s *space) func(body []byte) (*http.Response, error)
}

// routers is the table that the scenarios run through.
var routers = []driver{
	{
		name:    "gatewayapi",
		routing: `{gatewayAPI: {httpRoute: churn, adopt: true}}`,
		before: `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: churn, namespace: NAMESPACE}
spec:
  parentRefs: [{name: public, namespace: default}]
  hostnames: [NAMESPACE.example.com]
  rules:
  - backendRefs: [{name: churn, port: 80}]
`,
		send: func(s *space) func([]byte) (*http.Response, error) {
			return byTraefik(s.Cluster, s.name+".example.com")
		},
	},
}

// TestRouters runs every scenario for every router, in one cluster.
func TestRouters(t *testing.T) {
	w := newWorld(t, clustertest.Options{Traefik: true, Prometheus: true})
	for _, d := range routers {
		t.Run(d.name, func(t *testing.T) {
			for _, x := range scenarios {
				t.Run(x.name, func(t *testing.T) {
					t.Parallel()
					x.run(begun(t, w, d, x.steps))
				})
			}
		})
	}
}
