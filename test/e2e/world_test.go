package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// world is a running cluster with Haldane in it.
type world struct {
	*clustertest.Cluster
	t          *testing.T
	api        client.Client
	controller *controller
}

func newWorld(t *testing.T, o clustertest.Options) *world {
	t.Helper()
	c := clustertest.Start(t, o)
	log.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	api, err := client.New(c.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	for _, variant := range []string{"v1", "good", "wrong", "slow", "errors", "drift"} {
		c.AddImage("churn:"+variant, clustertest.Image{
			Program: filepath.Join(programs, "model"), Args: []string{"serve", variant},
		})
	}
	// An image whose program ends at once.
	c.AddImage("churn:broken", clustertest.Image{Program: filepath.Join(programs, "model"), Args: []string{"serve", "none"}})
	c.AddImage("caller:*", clustertest.Image{Program: filepath.Join(programs, "model")})
	if o.Traefik {
		c.Apply(gateway)
	}
	c.Apply(appMeshDefinition)
	w := &world{Cluster: c, t: t, api: api, controller: install(t, c)}
	return w
}

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: default}
spec:
  gatewayClassName: traefik
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
`

// space is a namespace of the cluster, deleted with its test.
type space struct {
	*world
	t    *testing.T
	name string
}

// space makes a namespace for t.
func (w *world) space(t *testing.T, name string) *space {
	t.Helper()
	in := *w
	in.Cluster, in.t = w.For(t), t
	s := &space{world: &in, t: t, name: name}
	s.Apply(fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name))
	t.Cleanup(func() {
		if t.Failed() {
			s.report()
		}
		s.Kubectl("delete", "namespace", name, "--wait=false")
	})
	return s
}

// report prints what a person would look at first.
func (s *space) report() {
	for _, args := range [][]string{
		{"get", "modelrollouts", "-o", "yaml"},
		{"get", "deployments,pods,services,httproutes,ingresses", "-o", "wide"},
		{"get", "events", "--sort-by=.metadata.creationTimestamp"},
	} {
		out, err := s.KubectlCommand(context.Background(), append([]string{"-n", s.name}, args...)...).CombinedOutput()
		s.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	s.t.Logf("the controller's log:\n%s", s.controller.tail(s.name))
}

// apply applies manifests, if there are any, in the space: NAMESPACE stands for
// its name, and the pairs of replace for each other.
func (s *space) apply(manifests string, replace ...string) {
	s.t.Helper()
	if manifests == "" {
		return
	}
	s.Apply(strings.NewReplacer(append([]string{"NAMESPACE", s.name}, replace...)...).Replace(manifests))
}

// kubectl runs kubectl in the space.
func (s *space) kubectl(args ...string) string {
	s.t.Helper()
	return s.Kubectl(append([]string{"-n", s.name}, args...)...)
}
