package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// driver is a router as the scenarios use it.
type driver struct {
	name    string
	sources []source // of its numbers, the best one first
	routing string   // the rollout's field of that name
	before  string   // what the user has beside the Deployment and its Service
	// replicas of the user's Deployment, steps of most rollouts, and the shares
	// that these give the candidate.
	replicas int32
	ladder   string
	shares   []string
	// send reaches the model from outside, as the user's clients do.
	send func(s *space) sender
	// after does what a condition asks the user for, once Haldane has the
	// route; leaving takes it back before the end. Both are optional.
	after, leaving func(s *space)
	// pinned says that what after does makes a deletion wait for leaving.
	pinned bool
	// tamper writes another split over Haldane's; tampered says what is left of
	// it.
	tamper   func(s *space)
	tampered func(s *space) error
	// restored says what of the route is not as it was before Haldane came.
	restored func(s *space) error
}

// named is the driver under another name, for a second namespace of one test.
func (d driver) named(name string) driver {
	d.name = name
	return d
}

const (
	ladder = `[{weight: 5}, {weight: 25}, {weight: 50}, {weight: 100}]`
)

var shares = []string{"5%", "25%", "50%", "100%"}

// routers is the table that the scenarios run through.
var routers = []driver{gatewayAPI, nginx, replicas, istioMesh, appMesh}

// TestRouters runs every scenario for every router, in one cluster.
func TestRouters(t *testing.T) {
	w := newWorld(t, clustertest.Options{Traefik: true, Istio: true, Prometheus: true})
	for _, d := range routers {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for _, x := range scenarios {
				if x.of(d) {
					t.Run(x.name, func(t *testing.T) {
						t.Parallel()
						x.run(begun(t, w, d, x))
					})
				}
			}
		})
	}
}

// field reads one field of an object by kubectl's JSONPath.
func (s *space) field(object, path string) string {
	s.t.Helper()
	return strings.TrimSpace(s.kubectl("get", object, "-o", "jsonpath="+path))
}

// is says what is wrong if a field is not as wanted.
func (s *space) is(object, path, want string) error {
	if got := s.field(object, path); got != want {
		return fmt.Errorf("%s %s is %s, want %s", object, path, got, want)
	}
	return nil
}

// none says what is wrong if there is any object of a kind.
func (s *space) none(kind string) error {
	if got := strings.TrimSpace(s.kubectl("get", kind, "-o", "name")); got != "" {
		return fmt.Errorf("there are %s", got)
	}
	return nil
}

// gatewayAPI is the user's own HTTPRoute at Traefik, adopted.
var gatewayAPI = driver{
	name: "gatewayapi", sources: []source{traefik, models},
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
	replicas: 2, ladder: ladder, shares: shares,
	send: func(s *space) sender {
		return byTraefik(s.Cluster, s.name+".example.com")
	},
	tamper: func(s *space) {
		s.kubectl("patch", "httproute", "churn", "--type=json", "-p",
			`[{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 1}, {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 99}]`)
	},
	tampered: func(s *space) error {
		return s.is("httproute/churn", "{.spec.rules[0].backendRefs[*].weight}", "50 50")
	},
	restored: func(s *space) error {
		return s.is("httproute/churn", "{.spec.rules[*].backendRefs[*].name}", "churn")
	},
}

// nginx is a canary Ingress beside the user's own, at Traefik, which knows
// ingress-nginx's annotations.
var nginx = driver{
	name: "nginx", sources: []source{traefik, models},
	routing: `{nginx: {ingress: churn}}`,
	before: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: churn, namespace: NAMESPACE}
spec:
  ingressClassName: nginx
  rules:
  - host: NAMESPACE.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: churn, port: {number: 80}}}}]}
`,
	replicas: 2, ladder: ladder, shares: shares,
	send: func(s *space) sender {
		return byTraefik(s.Cluster, s.name+".example.com")
	},
	// The Ingress leads to the user's Service: it is to reach stable alone, until
	// the rollout is deleted.
	after: func(s *space) {
		s.kubectl("patch", "service", "churn", "--type=merge", "-p", `{"spec":{"selector":{"haldane.dev/workload":"churn","haldane.dev/role":"stable"}}}`)
	},
	pinned: true,
	leaving: func(s *space) {
		s.kubectl("patch", "service", "churn", "--type=merge", "-p", `{"spec":{"selector":{"haldane.dev/workload":null,"haldane.dev/role":null}}}`)
	},
	tamper: func(s *space) {
		s.kubectl("annotate", "--overwrite", "ingress", "churn-canary", "nginx.ingress.kubernetes.io/canary-weight=99")
	},
	tampered: func(s *space) error {
		return s.is("ingress/churn-canary", `{.metadata.annotations.nginx\.ingress\.kubernetes\.io/canary-weight}`, "50")
	},
	restored: func(s *space) error {
		if got := s.kubectl("get", "ingresses", "-o", "name"); strings.TrimSpace(got) != "ingress.networking.k8s.io/churn" {
			return fmt.Errorf("there are %s", got)
		}
		return nil
	},
}

// replicas is numbers of pods behind the user's Service.
var replicas = driver{
	name: "replicas", sources: []source{models},
	routing:  `{replicas: {}}`,
	replicas: 4, ladder: `[{weight: 25}, {weight: 50}, {weight: 100}]`, shares: []string{"25%", "50%", "100%"},
	send: func(s *space) sender { return byService(s.Cluster, "churn."+s.name) },
	tamper: func(s *space) {
		s.kubectl("scale", "deployment", "churn-stable", "--replicas=1")
	},
	tampered: func(s *space) error { return s.is("deployment/churn-stable", "{.spec.replicas}", "2") },
	restored: func(s *space) error { return s.is("service/churn", "{.spec.selector}", `{"app":"churn"}`) },
}
