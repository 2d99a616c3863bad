package deployment

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const namespace = "shop"

// data is a tiny cluster: an API server that counts generations, and
// controllers that make ReplicaSets of Deployments and pods of those. A pod
// becomes ready one round after it was made.
type data struct {
	t     *testing.T
	c     client.Client
	specs map[string]string // of Deployments, to count generations
	now   time.Time
	pods  int // made so far

	accelerators int             // pods that fit; 0: any number
	crashes      map[string]bool // images whose pods never become ready
	pulls        map[string]bool // images that cannot be pulled
	late         map[string]bool // Deployments past their progress deadline
	writes       []string        // who wrote what
	fail         func(what string) error
}

func newCluster(t *testing.T, objects ...client.Object) *data {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, autoscalingv2.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &data{t: t, specs: map[string]string{}, crashes: map[string]bool{}, pulls: map[string]bool{}, late: map[string]bool{},
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.c = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithReturnManagedFields().
		WithStatusSubresource(&appsv1.Deployment{}, &appsv1.ReplicaSet{}, &corev1.Pod{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
				if err := w.refuse("patch " + o.GetName()); err != nil {
					return err
				}
				err := c.Patch(ctx, o, p, opts...)
				w.count(ctx, c, o.GetName())
				return err
			},
			Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
				text, _ := json.Marshal(o)
				var named struct{ Metadata struct{ Name string } }
				_ = json.Unmarshal(text, &named)
				if err := w.refuse("apply " + named.Metadata.Name); err != nil {
					return err
				}
				err := c.Apply(ctx, o, opts...)
				w.count(ctx, c, named.Metadata.Name)
				return err
			},
		}).Build()
	return w
}

func (w *data) refuse(what string) error {
	w.writes = append(w.writes, what)
	if w.fail != nil {
		return w.fail(what)
	}
	return nil
}

// count is what the API server does to a Deployment whose specification has
// changed.
func (w *data) count(ctx context.Context, c client.Client, name string) {
	var d appsv1.Deployment
	if c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &d) != nil {
		return
	}
	text, _ := json.Marshal(d.Spec)
	if w.specs[name] == string(text) {
		return
	}
	w.specs[name] = string(text)
	d.Generation++
	if d.UID == "" {
		d.UID = types.UID("uid-" + name)
	}
	w.must(c.Update(ctx, &d))
}

func (w *data) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// edit changes a Deployment as its user does.
func (w *data) edit(name string, f func(*appsv1.Deployment)) {
	w.t.Helper()
	d := w.get(name)
	f(d)
	w.must(w.c.Update(w.t.Context(), d, client.FieldOwner("kubectl-edit")))
	w.count(w.t.Context(), w.c, name)
}

func (w *data) get(name string) *appsv1.Deployment {
	w.t.Helper()
	var d appsv1.Deployment
	w.must(w.c.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &d))
	return &d
}

func (w *data) service(name string) *corev1.Service {
	w.t.Helper()
	var s corev1.Service
	w.must(w.c.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &s))
	return &s
}

// round lets every controller act once.
func (w *data) round() {
	w.t.Helper()
	var all appsv1.DeploymentList
	w.must(w.c.List(w.t.Context(), &all, client.InNamespace(namespace)))
	for i := range all.Items {
		w.count(w.t.Context(), w.c, all.Items[i].Name)
		w.deploy(w.get(all.Items[i].Name))
	}
	for _, set := range w.setsOf("") {
		if owner := metav1.GetControllerOf(&set); !slices.ContainsFunc(all.Items, func(d appsv1.Deployment) bool { return d.Name == owner.Name }) {
			w.must(w.c.Delete(w.t.Context(), &set))
			set.Spec.Replicas = new(int32)
		}
		w.replicate(&set)
	}
	for i := range all.Items {
		w.report(w.get(all.Items[i].Name))
	}
}

func (w *data) setsOf(owner string) []appsv1.ReplicaSet {
	var l appsv1.ReplicaSetList
	w.must(w.c.List(w.t.Context(), &l, client.InNamespace(namespace)))
	return slices.DeleteFunc(l.Items, func(s appsv1.ReplicaSet) bool { return owner != "" && metav1.GetControllerOf(&s).Name != owner })
}

// deploy is the Deployment controller: a paused Deployment makes no set, but
// scales the one that has pods.
func (w *data) deploy(d *appsv1.Deployment) {
	all := w.setsOf(d.Name)
	is := func(s appsv1.ReplicaSet) bool { return sameTemplate(&s, d) }
	if !d.Spec.Paused && !slices.ContainsFunc(all, is) {
		all = append(all, w.makeSet(d))
	}
	active := slices.DeleteFunc(slices.Clone(all), func(s appsv1.ReplicaSet) bool { return *s.Spec.Replicas == 0 })
	n := *d.Spec.Replicas
	for _, s := range all {
		to := *s.Spec.Replicas
		switch surge := d.Spec.Strategy.RollingUpdate == nil; {
		case d.Spec.Paused && (len(active) == 1 && active[0].Name == s.Name || len(active) == 0 && is(s)):
			to = n
		case d.Spec.Paused:
		case is(s):
			to = n
		case !surge, n == 0, slices.ContainsFunc(all, func(s appsv1.ReplicaSet) bool { return is(s) && s.Status.AvailableReplicas >= n }):
			to = 0
		}
		if to != *s.Spec.Replicas {
			s.Spec.Replicas = &to
			w.must(w.c.Update(w.t.Context(), &s))
		}
	}
}

func (w *data) makeSet(d *appsv1.Deployment) appsv1.ReplicaSet {
	t := d.Spec.Template.DeepCopy()
	text, _ := json.Marshal(t)
	sum := fnv.New32()
	_, _ = sum.Write(text)
	hash := fmt.Sprintf("%08x", sum.Sum32())
	if t.Labels == nil {
		t.Labels = map[string]string{}
	}
	t.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	selector := maps.Clone(d.Spec.Selector.MatchLabels)
	selector[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	w.now = w.now.Add(time.Second)
	set := appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: d.Name + "-" + hash, Labels: maps.Clone(t.Labels), CreationTimestamp: metav1.NewTime(w.now),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: new(int32), Selector: &metav1.LabelSelector{MatchLabels: selector}, Template: *t},
	}
	w.must(w.c.Create(w.t.Context(), &set))
	return set
}

// replicate is the ReplicaSet controller, the scheduler and the node at once.
func (w *data) replicate(s *appsv1.ReplicaSet) {
	pods := w.podsWith(s.Spec.Selector.MatchLabels)
	for i := range pods {
		w.live(&pods[i])
	}
	for n := len(pods); n > int(*s.Spec.Replicas); n-- {
		w.must(w.c.Delete(w.t.Context(), &pods[n-1]))
	}
	for n := len(pods); n < int(*s.Spec.Replicas); n++ {
		w.pods++
		w.must(w.c.Create(w.t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-%d", s.Name, w.pods), Labels: maps.Clone(s.Spec.Template.Labels)},
			Spec:       *s.Spec.Template.Spec.DeepCopy(),
		}))
	}
	pods = w.podsWith(s.Spec.Selector.MatchLabels)
	before := s.Status
	s.Status = appsv1.ReplicaSetStatus{Replicas: int32(len(pods))}
	for _, p := range pods {
		if isReady(&p) {
			s.Status.ReadyReplicas++
			s.Status.AvailableReplicas++
		}
	}
	if equality.Semantic.DeepEqual(before, s.Status) {
		return
	}
	if err := w.c.Status().Update(w.t.Context(), s); err != nil && !strings.Contains(err.Error(), "not found") {
		w.t.Fatal(err)
	}
}

// live is one round in the life of a pod.
func (w *data) live(p *corev1.Pod) {
	image := p.Spec.Containers[0].Image
	status := corev1.ContainerStatus{Name: p.Spec.Containers[0].Name, Image: image}
	if len(p.Status.ContainerStatuses) > 0 {
		status = p.Status.ContainerStatuses[0]
	}
	before, was, ready := p.Status.DeepCopy(), isReady(p), corev1.ConditionFalse
	p.Status.Conditions = nil
	switch {
	case w.pulls[image]:
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found: " + image}
	case w.crashes[image]:
		status.RestartCount++
		status.Ready = false
		status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", Message: "loading weights", FinishedAt: metav1.NewTime(w.now)}
	case w.accelerators > 0 && !was && w.readyPods(nil) >= w.accelerators:
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."}}
	default:
		status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		status.Ready, ready = true, corev1.ConditionTrue
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: ready})
	if !equality.Semantic.DeepEqual(*before, p.Status) {
		w.must(w.c.Status().Update(w.t.Context(), p))
	}
}

// report brings a Deployment's status up to date.
func (w *data) report(d *appsv1.Deployment) {
	s := appsv1.DeploymentStatus{ObservedGeneration: d.Generation}
	for _, set := range w.setsOf(d.Name) {
		s.Replicas += set.Status.Replicas
		s.AvailableReplicas += set.Status.AvailableReplicas
		if sameTemplate(&set, d) {
			s.UpdatedReplicas = set.Status.Replicas
		}
	}
	s.ReadyReplicas = s.AvailableReplicas
	available, progress, why := corev1.ConditionFalse, corev1.ConditionTrue, "NewReplicaSetAvailable"
	if s.AvailableReplicas >= *d.Spec.Replicas {
		available = corev1.ConditionTrue
	}
	if w.late[d.Name] {
		progress, why = corev1.ConditionFalse, "ProgressDeadlineExceeded"
	}
	if d.Spec.Paused {
		why = "DeploymentPaused"
	}
	updated := metav1.NewTime(w.now)
	if c := condition(d, appsv1.DeploymentProgressing); c != nil && c.Reason == why &&
		s.Replicas == d.Status.Replicas && s.AvailableReplicas == d.Status.AvailableReplicas && s.UpdatedReplicas == d.Status.UpdatedReplicas {
		updated = c.LastUpdateTime
	}
	s.Conditions = []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentAvailable, Status: available},
		{Type: appsv1.DeploymentProgressing, Status: progress, Reason: why, Message: "has timed out progressing", LastTransitionTime: metav1.NewTime(w.now), LastUpdateTime: updated},
	}
	if equality.Semantic.DeepEqual(s, d.Status) {
		return
	}
	d.Status = s
	w.must(w.c.Status().Update(w.t.Context(), d))
}

func (w *data) podsWith(selector map[string]string) []corev1.Pod {
	var l corev1.PodList
	w.must(w.c.List(w.t.Context(), &l, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: labels.SelectorFromSet(selector)}))
	slices.SortFunc(l.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return l.Items
}

func (w *data) readyPods(selector map[string]string) (n int) {
	for _, p := range w.podsWith(selector) {
		if isReady(&p) {
			n++
		}
	}
	return n
}

// images of the ready pods that a Service reaches.
func (w *data) images(service string) (out []string) {
	for _, p := range w.podsWith(w.service(service).Spec.Selector) {
		if isReady(&p) {
			out = append(out, p.Spec.Containers[0].Image)
		}
	}
	return out
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
