package app

import (
	"errors"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/kube"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/kubernetes"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/gatewayapi"
	"github.com/haldane-dev/haldane/internal/router/nginx"
	"github.com/haldane-dev/haldane/internal/workload/deployment"
)

// clusterRouter is a router of a cluster, by the field of routing that asks for it.
type clusterRouter struct {
	name  string
	asked func(*v1alpha1.Routing) bool
	make  func(cluster.Rollout) (router.Router, error)
	kinds []schema.GroupVersionKind // that it writes
}

func clusterRouters() []clusterRouter {
	return []clusterRouter{
		{
			name: "gatewayAPI", asked: func(r *v1alpha1.Routing) bool { return r.GatewayAPI != nil },
			make:  func(r cluster.Rollout) (router.Router, error) { return gatewayapi.New(r), nil },
			kinds: []schema.GroupVersionKind{gatewayapi.HTTPRoute, gatewayapi.GRPCRoute},
		},
		{
			name: "nginx", asked: func(r *v1alpha1.Routing) bool { return r.Nginx != nil },
			make:  func(r cluster.Rollout) (router.Router, error) { return nginx.New(r), nil },
			kinds: []schema.GroupVersionKind{nginx.Ingress},
		},
	}
}

// adapters is the one table of what rollouts on a cluster are driven with.
func adapters(cli.ControllerOptions) kube.Adapters {
	out := kube.Adapters{
		Workload: func(r cluster.Rollout) (cluster.Workload, error) { return deployment.New(r), nil },
		Router: func(r cluster.Rollout) (router.Router, error) {
			for _, x := range clusterRouters() {
				if x.asked(&r.Spec.Routing) {
					return x.make(r)
				}
			}
			return nil, errors.New("names a router that this version does not know")
		},
		Source: func(r cluster.Rollout) (metric.Source, error) { return kubernetes.New(r) },
	}
	for _, x := range clusterRouters() {
		out.Watch = append(out.Watch, x.kinds...)
	}
	return out
}
