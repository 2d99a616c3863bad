package deployment

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// propagation is how long proxies are given to hear of pods that have become ready,
// and of those that ended before them: kube-proxy writes its rules once a second,
// Istio's control plane and Traefik gather changes for up to two, and times of
// Kubernetes are whole seconds. What is sent earlier by a route that was quicker
// finds nothing, or the pods of before.
const propagation = 3 * time.Second

// reachable returns when those who send traffic can be expected to know the pods of
// a Deployment that is available, by a Service that may be new: a while after the
// Deployment last came closer to what it is to be, or was paused there. Zero if that
// is not known, or not by the same clock.
func (w *Workload) reachable(d *appsv1.Deployment, s *corev1.Service) time.Time {
	var changed time.Time
	if c := condition(d, appsv1.DeploymentProgressing); c != nil {
		changed = c.LastUpdateTime.Time
	}
	if s != nil && s.CreationTimestamp.After(changed) {
		changed = s.CreationTimestamp.Time
	}
	if changed.IsZero() || changed.After(w.now().Add(w.lag)) {
		return time.Time{}
	}
	return changed.Add(w.lag)
}

// stableReachable is reachable of stable.
func (w *Workload) stableReachable(ctx context.Context, sc scene) (time.Time, error) {
	s, err := w.readService(ctx, w.r.StableService())
	if err != nil {
		return time.Time{}, err
	}
	return w.reachable(sc.stable, s), nil
}
