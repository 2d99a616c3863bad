package deployment

import (
	"context"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/workload"
)

// prepareServices makes the Services of both arms.
func (w *Workload) prepareServices(ctx context.Context, t workload.Target, sc scene) (waiting string, err error) {
	ports, waiting, err := w.ports(ctx, sc)
	if err != nil || waiting != "" {
		return waiting, err
	}
	if err := w.service(ctx, t, door{w.r.StableService(), "stable", w.stableSelector(sc), ports}); err != nil {
		return "", err
	}
	now, err := w.readService(ctx, w.r.CanaryService())
	if err != nil {
		return "", err
	}
	selector := map[string]string{LabelWorkload: w.spec().Name, cluster.LabelRole: "none"} // until pods are known
	if now != nil && now.Spec.Selector[appsv1.DefaultDeploymentUniqueLabelKey] != "" {
		selector = now.Spec.Selector
	}
	return "", w.service(ctx, t, door{w.r.CanaryService(), "canary", selector, ports})
}

// stableSelector selects stable's pods.
func (w *Workload) stableSelector(sc scene) map[string]string {
	if w.pair() {
		return sc.stable.Spec.Selector.MatchLabels
	}
	return w.stableLabels()
}

// pin makes the candidate's Service select the pods of one template.
func (w *Workload) pin(ctx context.Context, t workload.Target, sc scene, set *appsv1.ReplicaSet) error {
	s, err := w.readService(ctx, w.r.CanaryService())
	if err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("the Service %s does not exist: it is made again", w.r.CanaryService())
	}
	return w.service(ctx, t, door{s.Name, "canary", pinned(sc.candidate, set), s.Spec.Ports})
}

func pinned(d *appsv1.Deployment, set *appsv1.ReplicaSet) map[string]string {
	selector := maps.Clone(d.Spec.Selector.MatchLabels)
	if selector == nil {
		selector = map[string]string{}
	}
	selector[appsv1.DefaultDeploymentUniqueLabelKey] = hashOf(set)
	return selector
}

// readService returns nil if there is none of that name.
func (w *Workload) readService(ctx context.Context, name string) (*corev1.Service, error) {
	var s corev1.Service
	err := w.r.Client.Get(ctx, w.key(name), &s)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Service %s: %w", name, err)
	}
	return &s, nil
}

// door is a Service as it is to be.
type door struct {
	name, role string
	selector   map[string]string
	ports      []corev1.ServicePort
}

// service applies one of the two Services, if that is not what is there.
func (w *Workload) service(ctx context.Context, t workload.Target, x door) error {
	now, err := w.readService(ctx, x.name)
	if err != nil {
		return err
	}
	want := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: w.r.Namespace, Name: x.name, Labels: map[string]string{LabelWorkload: w.spec().Name, cluster.LabelRole: x.role}},
		Spec:       corev1.ServiceSpec{Selector: x.selector, Ports: withoutNodePorts(x.ports)},
	}
	if now != nil {
		if now.Annotations[cluster.AnnotationOwner] == "" && now.Labels[LabelWorkload] != w.spec().Name {
			return fmt.Errorf("the Service %s exists and was not made by Haldane: rename it, or the Deployment %s", x.name, w.spec().Name)
		}
		if err := w.r.MayWrite(now, t.Sequence); err != nil {
			return err
		}
		if now.Annotations[cluster.AnnotationOwner] == w.r.UID && equality.Semantic.DeepEqual(now.Spec.Selector, x.selector) &&
			equality.Semantic.DeepDerivative(want.Labels, now.Labels) && equality.Semantic.DeepDerivative(want.Spec.Ports, now.Spec.Ports) {
			return nil
		}
		want.ResourceVersion = now.ResourceVersion
	}
	w.r.Stamp(want, t.Sequence, true)
	return w.apply(ctx, want)
}

// ports are those of the user's own Service or, without one, a single port of
// the models.
func (w *Workload) ports(ctx context.Context, sc scene) (ports []corev1.ServicePort, waiting string, err error) {
	theirs, err := w.readService(ctx, w.spec().Service)
	if err != nil {
		return nil, "", err
	}
	if theirs != nil && len(theirs.Spec.Ports) > 0 {
		return theirs.Spec.Ports, "", nil
	}
	port := w.spec().Port
	for _, c := range sc.candidate.Spec.Template.Spec.Containers {
		if port == 0 && len(c.Ports) > 0 {
			port = c.Ports[0].ContainerPort
		}
	}
	if port == 0 {
		return nil, fmt.Sprintf("no port is known: there is no Service %s and the containers name none; write workload.port", w.spec().Service), nil
	}
	return []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: port, TargetPort: intstr.FromInt32(port)}}, "", nil
}

func withoutNodePorts(ports []corev1.ServicePort) []corev1.ServicePort {
	out := make([]corev1.ServicePort, len(ports))
	for i, p := range ports {
		p.NodePort = 0
		out[i] = p
	}
	return out
}
