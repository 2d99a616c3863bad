package dns

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// Zone is the cluster's domain.
type Zone struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

// NewZone watches Services and EndpointSlices until ctx ends, and returns once
// it has seen them all.
func NewZone(ctx context.Context, client kubernetes.Interface) (*Zone, error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	z := &Zone{
		services: factory.Core().V1().Services().Lister(),
		slices:   factory.Discovery().V1().EndpointSlices().Lister(),
	}
	factory.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return nil, fmt.Errorf("watch %v for the cluster's domain: %w", kind, ctx.Err())
		}
	}
	return z, nil
}

// Lookup returns the addresses of name, which may leave off the domain or
// .svc.domain. ok is false if the name is not one of the cluster's.
func (z *Zone) Lookup(name string) (addresses []netip.Addr, ok bool) {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	name = strings.TrimSuffix(name, "."+layout.ClusterDomain)
	name = strings.TrimSuffix(name, ".svc")
	parts := strings.Split(name, ".")
	if len(parts) != 2 && len(parts) != 3 {
		return nil, false
	}
	service, namespace := parts[len(parts)-2], parts[len(parts)-1]
	s, err := z.services.Services(namespace).Get(service)
	if err != nil {
		return nil, false
	}
	switch {
	case len(parts) == 3:
		addresses = z.endpoints(s, parts[0])
	case s.Spec.ClusterIP == corev1.ClusterIPNone:
		addresses = z.endpoints(s, "")
	default:
		if ip, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil {
			addresses = []netip.Addr{ip}
		}
	}
	return addresses, len(addresses) > 0
}

// endpoints returns the service's ready addresses, or only the ones of the pod
// with that host name.
func (z *Zone) endpoints(s *corev1.Service, hostname string) []netip.Addr {
	of := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: s.Name})
	slices, err := z.slices.EndpointSlices(s.Namespace).List(of)
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, slice := range slices {
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready || s.Spec.PublishNotReadyAddresses
			if !ready || (hostname != "" && (e.Hostname == nil || *e.Hostname != hostname)) {
				continue
			}
			for _, a := range e.Addresses {
				if ip, err := netip.ParseAddr(a); err == nil {
					out = append(out, ip)
				}
			}
		}
	}
	return out
}
