package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// remembered is how long the arm of a pod that is gone is known: what it counted
// last is still to be asked for.
const remembered = time.Hour

// pods knows which pods are of which arm.
type pods struct {
	r   cluster.Rollout
	now func() time.Time

	mu       sync.Mutex
	revision string
	seen     map[string]pod // by name
}

type pod struct {
	arm traffic.Arm
	at  time.Time // when it was last there
}

// arms returns the arm of every pod, by name, gone ones included. The canary's are
// those of one revision.
func (p *pods) arms(ctx context.Context, revision string) (map[string]traffic.Arm, error) {
	now := p.now()
	found := map[string]traffic.Arm{}
	for arm, service := range []string{traffic.Stable: p.r.StableService(), traffic.Canary: p.r.CanaryService()} {
		names, err := p.behind(ctx, service, traffic.Arm(arm) == traffic.Canary)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if _, stable := found[name]; !stable { // stable has what both select
				found[name] = traffic.Arm(arm)
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil || p.revision != revision {
		maps.DeleteFunc(p.seen, func(_ string, x pod) bool { return x.arm == traffic.Canary })
		p.revision = revision
	}
	if p.seen == nil {
		p.seen = map[string]pod{}
	}
	for name, arm := range found {
		p.seen[name] = pod{arm, now}
	}
	for name, x := range p.seen {
		if now.Sub(x.at) > remembered {
			delete(p.seen, name)
			continue
		}
		found[name] = x.arm
	}
	return found, nil
}

// behind lists the pods that a Service selects. One that is not there yet, and a
// canary's that does not pin a pod template, select none.
func (p *pods) behind(ctx context.Context, service string, pinned bool) ([]string, error) {
	var s corev1.Service
	err := p.r.Client.Get(ctx, client.ObjectKey{Namespace: p.r.Namespace, Name: service}, &s)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Service %s: %w", service, err)
	}
	selector := s.Spec.Selector
	if len(selector) == 0 || pinned && selector[appsv1.DefaultDeploymentUniqueLabelKey] == "" {
		return nil, nil
	}
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	err = p.r.Reader.List(ctx, &list, client.InNamespace(p.r.Namespace), client.MatchingLabelsSelector{Selector: labels.SelectorFromSet(selector)})
	if err != nil {
		return nil, fmt.Errorf("list the pods of Service %s: %w", service, err)
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return names, nil
}
