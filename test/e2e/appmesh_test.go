package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// appMesh is a route of the user's VirtualRouter. The service has ended and
// its definitions are not to be had: the cluster knows the fields in use, and
// the test is controller and data plane in one.
var appMesh = driver{
	name: "appmesh", sources: []source{models},
	routing: `{appMesh: {virtualRouter: churn, route: all}}`,
	before: `
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {name: churn, namespace: NAMESPACE}
spec:
  listeners: [{portMapping: {port: 80, protocol: http}}]
  routes:
  - name: all
    httpRoute:
      match: {prefix: /}
      action:
        weightedTargets:
        - {virtualNodeRef: {name: churn-stable}, weight: 1}
`,
	replicas: 2, ladder: ladder, shares: shares,
	send: byVirtualRouter,
	tamper: func(s *space) {
		s.kubectl("patch", "virtualrouter", "churn", "--type=json", "-p",
			`[{"op": "replace", "path": "/spec/routes/0/httpRoute/action/weightedTargets/0/weight", "value": 1},
			  {"op": "replace", "path": "/spec/routes/0/httpRoute/action/weightedTargets/1/weight", "value": 99}]`)
	},
	tampered: func(s *space) error {
		return s.is("virtualrouter/churn", "{.spec.routes[0].httpRoute.action.weightedTargets[*].weight}", "50 50")
	},
	restored: func(s *space) error {
		return s.is("virtualrouter/churn", "{.spec.routes[0].httpRoute.action.weightedTargets[*].virtualNodeRef.name}", "churn-stable")
	},
}

const appMeshDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: virtualrouters.appmesh.k8s.aws}
spec:
  group: appmesh.k8s.aws
  scope: Namespaced
  names: {kind: VirtualRouter, listKind: VirtualRouterList, plural: virtualrouters, singular: virtualrouter}
  versions:
  - name: v1beta2
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              listeners: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
              routes:
                type: array
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string}
                    priority: {type: integer, minimum: 0, maximum: 1000}
                    httpRoute: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

var virtualRouter = schema.GroupVersionKind{Group: "appmesh.k8s.aws", Version: "v1beta2", Kind: "VirtualRouter"}

// target is a virtual node, which is the Service of its name, and its weight.
type target struct {
	VirtualNodeRef struct{ Name string }
	Weight         int
}

// byVirtualRouter sends where the VirtualRouter says, looks at it each 100 ms
// and reports it as active, as App Mesh's controller does. A virtual node of
// stable is the user's own Service for as long as Haldane has made none.
func byVirtualRouter(s *space) sender {
	var targets atomic.Pointer[[]target]
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if now, err := s.activate(); err == nil {
					targets.Store(&now)
				}
			}
		}
	}()
	s.t.Cleanup(func() { close(done); <-ended })
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DialContext: s.dialAgain, DisableKeepAlives: true}}
	return func(r request) (*http.Response, error) {
		now := targets.Load()
		if now == nil {
			return nil, errors.New("the VirtualRouter was not read yet")
		}
		post := func(service string) (*http.Response, error) {
			return r.by(client, service+"."+s.name+".svc.cluster.local", "")
		}
		out, err := post(draw(*now))
		if err != nil && strings.Contains(err.Error(), "no such name") {
			return post("churn")
		}
		return out, err
	}
}

// dialAgain tries a connection that cannot be made twice more, as App Mesh's proxies
// do unless told otherwise. A Service has a name a moment before each node knows
// where it leads, and what is sent meanwhile is lost without a word.
func (s *space) dialAgain(ctx context.Context, network, address string) (conn net.Conn, err error) {
	for range 3 {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		conn, err = s.DialContext(once, network, address)
		cancel()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return conn, err
}

// draw chooses a target by weight.
func draw(all []target) string {
	sum := 0
	for _, t := range all {
		sum += t.Weight
	}
	n := rand.IntN(max(sum, 1))
	i := slices.IndexFunc(all, func(t target) bool { n -= t.Weight; return n < 0 })
	return all[max(i, 0)].VirtualNodeRef.Name
}

// activate reads the targets of the VirtualRouter and says that they are active.
func (s *space) activate() ([]target, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(virtualRouter)
	if err := s.api.Get(ctx, client.ObjectKey{Namespace: s.name, Name: "churn"}, u); err != nil {
		return nil, err
	}
	text, err := json.Marshal(u.Object)
	if err != nil {
		return nil, err
	}
	var x struct {
		Spec struct {
			Routes []struct {
				HTTPRoute struct {
					Action struct{ WeightedTargets []target }
				}
			}
		}
		Status struct{ ObservedGeneration int64 }
	}
	if err := json.Unmarshal(text, &x); err != nil || len(x.Spec.Routes) == 0 {
		return nil, fmt.Errorf("%d routes: %w", len(x.Spec.Routes), err)
	}
	if x.Status.ObservedGeneration != u.GetGeneration() {
		u.Object["status"] = map[string]any{
			"observedGeneration": u.GetGeneration(),
			"conditions":         []any{map[string]any{"type": "VirtualRouterActive", "status": string(metav1.ConditionTrue)}},
		}
		if err := s.api.Status().Update(ctx, u); err != nil {
			return nil, err
		}
	}
	return x.Spec.Routes[0].HTTPRoute.Action.WeightedTargets, nil
}
