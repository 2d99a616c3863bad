package object

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cluster"
)

// Port returns the port of the Services of both arms that speaks the protocol
// ("http" or "grpc"): the first whose appProtocol or name says so, else the
// first. It is read from the stable Service, whose ports the other's equal.
func Port(ctx context.Context, r cluster.Rollout, protocol string) (int32, error) {
	return PortOf(ctx, r, r.StableService(), protocol)
}

// PortOf is Port of one Service.
func PortOf(ctx context.Context, r cluster.Rollout, service, protocol string) (int32, error) {
	svc := &corev1.Service{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: service}, svc)
	if apierrors.IsNotFound(err) {
		return 0, fmt.Errorf("service %s/%s, which traffic is to go to, does not exist yet", r.Namespace, service)
	}
	if err != nil {
		return 0, fmt.Errorf("read service %s/%s: %w", r.Namespace, service, err)
	}
	if len(svc.Spec.Ports) == 0 {
		return 0, fmt.Errorf("service %s/%s has no port", r.Namespace, service)
	}
	for _, p := range svc.Spec.Ports {
		if speaks(p, protocol) {
			return p.Port, nil
		}
	}
	return svc.Spec.Ports[0].Port, nil
}

func speaks(p corev1.ServicePort, protocol string) bool {
	if p.AppProtocol != nil {
		switch *p.AppProtocol {
		case "kubernetes.io/h2c", "grpc":
			return protocol == "grpc"
		case "http", "kubernetes.io/ws":
			return protocol == "http"
		}
	}
	return p.Name == protocol || strings.HasPrefix(p.Name, protocol+"-")
}
