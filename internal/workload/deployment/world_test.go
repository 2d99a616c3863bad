package deployment

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// notes in memory.
type notes struct {
	mu  sync.Mutex
	all map[string][]byte
}

func (n *notes) Get(_ context.Context, key string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[key], nil
}

func (n *notes) Put(_ context.Context, key string, value []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[string][]byte{}
	}
	n.all[key] = value
	return nil
}

// model is a Deployment named churn as its user writes it.
func model(n int32, image string) *appsv1.Deployment {
	l := map[string]string{"app": "churn"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "churn", UID: "uid-churn", Labels: map[string]string{"argocd": "mine"}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: l},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: l},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "model", Image: image, Ports: []corev1.ContainerPort{{ContainerPort: 9000}}}}},
			},
		},
	}
}

func userService() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "churn"},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "churn"},
			Ports: []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromInt32(9000)}}},
	}
}

// world is a tiny cluster and the shell of one rollout: it lets the real core
// decide, and routes traffic at once.
type world struct {
	*data
	w       *Workload
	spec    *v1alpha1.Spec
	notes   *notes
	state   rollout.State
	carried traffic.Observed
	clock   time.Time
	block   int64
	verdict analysis.Decision // of every step from now on; "" for none
	lost    bool              // the router confirms nothing
	waiting string
	broken  bool // an arm may be without pods: nothing is checked
	steps   []rollout.Step
}

func spec() *v1alpha1.Spec {
	m := &v1alpha1.ModelRollout{}
	m.Name = "churn"
	m.Spec.Workload = &v1alpha1.Workload{Name: "churn"}
	m.DefaultCluster()
	return &m.Spec
}

func newWorld(t *testing.T, d *data, change func(*v1alpha1.Spec)) *world {
	w := &world{data: d, spec: spec(), notes: &notes{}, clock: d.now,
		steps: []rollout.Step{{Weight: 2500}, {Weight: 5000}, {Weight: traffic.Full}}}
	if change != nil {
		change(w.spec)
	}
	w.restart()
	for range 3 {
		w.round() // the user's Deployment is there and runs
	}
	return w
}

// restart is a controller that comes up with nothing in memory.
func (w *world) restart() {
	w.w = New(cluster.Rollout{
		Namespace: namespace, Name: "churn", UID: "u1", Spec: w.spec, Client: w.c, Reader: w.c, Notes: w.notes,
		Exists: func(uid string) bool { return uid == "u1" || uid == "alive" }, Logger: slog.New(slog.DiscardHandler),
	}, NewKinds())
	w.w.now = func() time.Time { return w.clock }
}

func (w *world) target() workload.Target {
	return workload.Target{Rollout: namespace + "/churn", Sequence: w.state.Sequence}
}

// tick is one reconcile, and then one round of the cluster's controllers.
// Errors are what the next reconcile comes for.
func (w *world) tick(commands ...rollout.Command) error {
	w.t.Helper()
	defer w.check()
	defer w.round()
	w.clock = w.clock.Add(20 * time.Second)
	w.now = w.clock
	waiting, err := w.w.Prepare(w.t.Context(), w.target())
	w.waiting = waiting
	if err != nil || waiting != "" {
		return err
	}
	health, err := w.w.Observe(w.t.Context(), w.target())
	if err != nil {
		return err
	}
	stable, canary, err := w.w.Revisions(w.t.Context(), w.target())
	if err != nil {
		return err
	}
	o := rollout.Observation{
		Now: w.clock, Workloads: health, Traffic: w.carried, Commands: commands,
		Plan: rollout.Plan{Name: "shop/churn", Stable: stable, Canary: canary, Steps: w.steps, ScaleDown: 30 * time.Second},
	}
	if blocked(w.w.Conditions()) && w.state.Want.Split.Canary == 0 {
		o.Plan.Canary = o.Plan.Stable
	}
	if w.verdict != "" {
		w.block++
		o.Evidence = &analysis.State{LastBlock: w.block}
		o.Verdict = analysis.Verdict{Decision: w.verdict, Block: w.block, Reason: "as the test says", Stage: rollout.StageOf(w.state)}
	}
	d := rollout.Next(w.state, o)
	w.state, w.waiting = d.State, d.Waiting
	s := d.Want.Split
	w.carried = traffic.Observed{Level: traffic.Accepted, Generation: s.Generation, Canary: s.Canary, Mirror: s.Mirror}
	if w.lost {
		w.carried = traffic.Observed{Level: traffic.Unknown}
	}
	return w.w.Apply(w.t.Context(), w.target(), d.Want.Scale)
}

func blocked(all []cluster.Condition) bool {
	for _, c := range all {
		if c.True && c.Blocks {
			return true
		}
	}
	return false
}

// check asks, as users do, whether somebody answers.
func (w *world) check() {
	w.t.Helper()
	if w.broken {
		return
	}
	if w.spec.Workload.Service == "churn" && len(w.images("churn")) == 0 {
		w.t.Fatalf("%s: nobody answers behind the user's own Service", w.state.Phase)
	}
	if w.carried.Generation == 0 && w.carried.Level == "" {
		return
	}
	if w.carried.Canary < traffic.Full && len(w.images("churn-stable")) == 0 {
		w.t.Fatalf("%s: %s of traffic goes to stable and nobody is there", w.state.Phase, traffic.Full-w.carried.Canary)
	}
	if w.carried.Canary == 0 {
		return
	}
	all := w.images("churn-canary")
	if need := int(math.Floor(w.carried.Canary.Share() * float64(full(w.get("churn-stable"))-w.w.slack(full(w.get("churn-stable")), traffic.Canary)))); len(all) < max(1, need) {
		w.t.Fatalf("%s: %s of traffic goes to %d pods", w.state.Phase, w.carried.Canary, len(all))
	}
	for _, image := range all {
		if image != all[0] {
			w.t.Fatalf("%s: the candidate's users see two versions: %v", w.state.Phase, all)
		}
	}
}

// until ticks until f holds. Conflicts and what they leave are overcome by
// coming again, so errors count only if it never gets there.
func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	var last error
	for range 80 {
		if f() {
			return
		}
		if err := w.tick(); err != nil {
			last = err
		}
	}
	w.t.Fatalf("it never comes to %s: %s, %q, scale %+v, last error %v", what, w.state.Phase, cmp.Or(w.waiting, w.state.Reason), w.state.Want.Scale, last)
}

func (w *world) phase(p rollout.Phase) func() bool {
	return func() bool { return w.state.Phase == p }
}

// atRest is Idle, with the candidate's pods gone.
func (w *world) atRest() bool {
	return w.state.Phase == rollout.Idle && w.state.Serving == "" && *w.get("churn").Spec.Replicas == 0 && w.get("churn").Status.Replicas == 0
}

// bootstrapped returns a world at rest.
func bootstrapped(t *testing.T, n int32, change func(*v1alpha1.Spec)) *world {
	t.Helper()
	w := newWorld(t, newCluster(t, model(n, "churn:v1"), userService()), change)
	w.until("rest", w.atRest)
	return w
}

func (w *world) image(v string) {
	w.t.Helper()
	w.edit("churn", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = v })
}

func (w *world) wantImages(service string, n int, image string) {
	w.t.Helper()
	all := w.images(service)
	if len(all) != n {
		w.t.Errorf("%s reaches %d pods %v, want %d", service, len(all), all, n)
	}
	for _, got := range all {
		if got != image {
			w.t.Errorf("%s reaches %s, want %s alone", service, got, image)
		}
	}
}
