package app

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/kube"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/kubernetes"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/appmesh"
	fleetrouter "github.com/haldane-dev/haldane/internal/router/fleet"
	"github.com/haldane-dev/haldane/internal/router/gatewayapi"
	"github.com/haldane-dev/haldane/internal/router/istio"
	"github.com/haldane-dev/haldane/internal/router/nginx"
	"github.com/haldane-dev/haldane/internal/router/replicas"
	"github.com/haldane-dev/haldane/internal/workload/deployment"
	"github.com/haldane-dev/haldane/internal/workload/elsewhere"
)

// clusterRouter is a router of a cluster, by the field of routing that asks for it.
type clusterRouter struct {
	name  string
	asked func(*v1alpha1.Routing) bool
	make  func(cluster.Rollout) (router.Router, error)
	kinds []schema.GroupVersionKind // that it writes, and that wake the rollout
}

func clusterRouters(o cli.ControllerOptions, mark string) []clusterRouter {
	all := []clusterRouter{
		{
			name: "gateway", asked: func(r *v1alpha1.Routing) bool { return r.Gateway != nil || r.Flag != nil },
			make: func(r cluster.Rollout) (router.Router, error) {
				return fleetrouter.New(fleetrouter.Config{Rollout: r, Image: o.GatewayImage, User: o.GatewayUser,
					Load: told(r.Spec.Analysis.Load, mark)})
			},
			kinds: []schema.GroupVersionKind{fleetrouter.Table},
		},
		{
			name: "gatewayAPI", asked: func(r *v1alpha1.Routing) bool { return r.GatewayAPI != nil },
			make:  func(r cluster.Rollout) (router.Router, error) { return gatewayapi.New(r), nil },
			kinds: []schema.GroupVersionKind{gatewayapi.HTTPRoute, gatewayapi.GRPCRoute},
		},
		{
			name: "istio", asked: func(r *v1alpha1.Routing) bool { return r.Istio != nil },
			make:  func(r cluster.Rollout) (router.Router, error) { return istio.New(r), nil },
			kinds: []schema.GroupVersionKind{istio.VirtualService, istio.DestinationRule},
		},
		{
			name: "nginx", asked: func(r *v1alpha1.Routing) bool { return r.Nginx != nil },
			make:  func(r cluster.Rollout) (router.Router, error) { return nginx.New(r), nil },
			kinds: []schema.GroupVersionKind{nginx.Ingress},
		},
		{
			// Deployments wake the rollout by themselves; the user's Service is
			// looked at whenever the rollout is due.
			name: "replicas", asked: func(r *v1alpha1.Routing) bool { return r.Replicas != nil },
			make: func(r cluster.Rollout) (router.Router, error) { return replicas.New(r), nil },
		},
	}
	mesh := clusterRouter{
		name: "appMesh", asked: func(r *v1alpha1.Routing) bool { return r.AppMesh != nil },
		make: func(cluster.Rollout) (router.Router, error) {
			return nil, errors.New("appMesh: the service has ended, and this controller does not route by it: its operator can turn it on (--enable-appmesh)")
		},
	}
	if o.AppMesh {
		mesh.make = func(r cluster.Rollout) (router.Router, error) { return appmesh.New(r), nil }
		mesh.kinds = []schema.GroupVersionKind{appmesh.VirtualRouter}
	}
	return append(all, mesh)
}

// clusterWorkload is what runs the arms. By flag, applications do.
func clusterWorkload() func(cluster.Rollout) (cluster.Workload, error) {
	kinds := deployment.NewKinds()
	return func(r cluster.Rollout) (cluster.Workload, error) {
		if r.Spec.Routing.Flag != nil {
			return elsewhere.NewDeclared(r), nil
		}
		return deployment.New(r, kinds), nil
	}
}

// adapters is the one table of what rollouts on a cluster are driven with.
func adapters(o cli.ControllerOptions, allow, allowURL func(string) error) kube.Adapters {
	to := clients{urls: outbound.New(outbound.Options{Allow: allowURL}), sources: outbound.New(outbound.Options{Allow: allow})}
	mark := newMark()
	routers := clusterRouters(o, mark)
	out := kube.Adapters{
		Workload: clusterWorkload(),
		Router: func(r cluster.Rollout) (router.Router, error) {
			for _, x := range routers {
				if x.asked(&r.Spec.Routing) {
					return x.make(r)
				}
			}
			return nil, errors.New("names a router that this version does not know")
		},
		Source: func(r cluster.Rollout) (metric.Source, error) {
			s, err := kubernetes.New(r)
			if err != nil {
				return nil, err
			}
			return gauged(s, &v1alpha1.ModelRollout{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Name}, Spec: *r.Spec}, clusterReadings(r, to))
		},
		Outside: clusterOutside(allowURL, mark, to),
	}
	for _, x := range routers {
		out.Watch = append(out.Watch, x.kinds...)
	}
	return out
}
