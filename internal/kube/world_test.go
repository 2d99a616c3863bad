package kube

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	statestore "github.com/haldane-dev/haldane/internal/store/kube"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
	"github.com/haldane-dev/haldane/internal/workload/workloadtest"
)

const (
	ns, name = "shop", "churn"
	id       = rollout.ID(ns + "/" + name)
)

var key = client.ObjectKey{Namespace: ns, Name: name}

// world is a cluster: what outlives the controller. It lives in a synctest
// bubble, so its seconds cost nothing.
type world struct {
	t      *testing.T
	server client.WithWatch
	cfg    Config
	router *routertest.Fake
	models *models
	source *history
	users  context.CancelFunc
	bad    int64 // of 100 canary requests
	mu     sync.Mutex
	halts  []context.CancelFunc
}

func in(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		f(t, w)
	})
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, clientgoscheme.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func newWorld(t *testing.T) *world {
	b := fake.NewClientBuilder().WithScheme(scheme(t)).WithStatusSubresource(&v1alpha1.ModelRollout{}, &v1alpha1.RolloutCommand{})
	for _, x := range Indexes {
		b = b.WithIndex(x.Object, x.Field, x.Extract)
	}
	b = b.WithIndex(&v1alpha1.ModelRollout{}, byName, func(o client.Object) []string { return []string{o.GetName()} })
	w := &world{t: t, server: b.Build(), router: &routertest.Fake{}, source: &history{}, bad: 1}
	w.source.wrong = func() int64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.bad
	}
	w.models = &models{stable: "a", candidate: "a"}
	w.models.Fake = &workloadtest.Fake{OnObserve: w.models.healthy, OnApply: w.models.promote}
	w.cfg = Config{
		Client: w.server, Reader: w.server, Logger: slog.New(slog.DiscardHandler),
		Spec: planOf,
		Adapters: Adapters{
			Workload: func(cluster.Rollout) (cluster.Workload, error) { return w.models, nil },
			Router:   func(cluster.Rollout) (router.Router, error) { return w.router, nil },
			Source:   func(cluster.Rollout) (metric.Source, error) { return w.source, nil },
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.users = cancel
	go w.use(ctx)
	return w
}

func (w *world) end() {
	w.users()
	for _, halt := range w.halts {
		halt()
	}
	synctest.Wait()
}

// use sends a hundred requests a second where the router says.
func (w *world) use(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var owed, owedStable int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s, _ := w.router.Current()
		w.mu.Lock()
		bad := w.bad
		w.mu.Unlock()
		n := int64(s.Canary) / 100
		owed += n * bad
		owedStable += 100 - n
		w.source.serve(count{StableN: 100 - n, StableK: owedStable / 100, CanaryN: n, CanaryK: owed / 100})
		owed, owedStable = owed%100, owedStable%100
	}
}

func (w *world) worse(of100 int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = of100
}

// models is a workload of a cluster: a user's Deployment, and stable.
type models struct {
	*workloadtest.Fake
	mu                sync.Mutex
	stable, candidate string // revisions of the templates
	runs              string // what the candidate's pods run
	waiting           string // of Prepare
	restored          int
	gone              bool // both Deployments are
	stuck             int  // how often a release fails
	released          int
	blocks            *cluster.Condition
	large             *rollout.Health // of a further arm, nil if there is none
}

func (m *models) edit(revision string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.candidate = revision
}

// healthy reports what runs: the candidate's pods follow the template, except
// while the candidate is wanted.
func (m *models) healthy(_ context.Context, h map[rollout.Role]rollout.Health) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := h[traffic.Stable]; s.Ready {
		s.Revision = m.stable
		h[traffic.Stable] = s
	}
	c := h[traffic.Canary]
	if c.Ready && m.runs == "" {
		m.runs = m.candidate
	}
	if !c.Ready {
		m.runs = ""
	}
	c.Revision = m.runs
	h[traffic.Canary] = c
	if m.large != nil {
		h[traffic.NumArms] = *m.large
	}
	return nil
}

// promote makes stable run the candidate's revision when the old may end.
func (m *models) promote(s rollout.Scale) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Promoted && !s.Stable {
		m.stable = m.runs
	}
	if !s.Canary && !s.Draining {
		m.runs = ""
	}
	return nil
}

// Apply keeps stable up: a promotion changes it in place.
func (m *models) Apply(ctx context.Context, t workload.Target, s rollout.Scale) error {
	if err := m.promote(s); err != nil {
		return err
	}
	s.Stable = true
	s.Canary = s.Canary || s.Draining && m.Scale().Canary
	return m.Fake.Apply(ctx, t, s)
}

func (m *models) Prepare(context.Context, workload.Target) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting, nil
}

func (m *models) Revisions(context.Context, workload.Target) (stable, canary rollout.Revision, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return stable, canary, cluster.ErrGone
	}
	return rollout.Revision{Version: "v-" + m.stable, Hash: m.stable}, rollout.Revision{Version: "v-" + m.candidate, Hash: m.candidate}, nil
}

func (m *models) Restore(context.Context, workload.Target) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restored++
	return "", nil
}

func (m *models) Release(ctx context.Context, t workload.Target) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stuck > 0 {
		m.stuck--
		return errors.New("the object has been modified")
	}
	m.released++
	return m.Fake.Release(ctx, t)
}

func (m *models) Conditions() []cluster.Condition {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blocks == nil {
		return nil
	}
	return []cluster.Condition{*m.blocks}
}

// planOf makes a plan of three steps judged by errors, or what another strategy
// of the document becomes.
func planOf(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (engine.Spec, error) {
	p := rollout.Plan{
		Name: rollout.ID(m.Name), Stable: stable, Canary: canary,
		Analysis: analysis.Config{
			FalseRollback: 0.01, FalsePromotion: 0.05, Interval: 10 * time.Second, MaxDuration: 6 * time.Hour,
			Metrics: []analysis.Metric{{Name: "errors", Kind: analysis.ErrorRate, MaxRatio: 2, MaxIncrease: 0.05, Tolerate: 0.5}},
		},
		MaxDuration: 6 * time.Hour, OnDeadline: rollout.HoldAtDeadline, ScaleDown: 30 * time.Second,
	}
	for _, w := range []float64{10, 50, 100} {
		p.Steps = append(p.Steps, rollout.Step{Weight: traffic.Percent(w)})
	}
	kind := analysis.ErrorRate
	switch {
	case m.Spec.Strategy.BlueGreen != nil:
		p.Steps = []rollout.Step{
			{Preview: true, For: time.Minute}, {Pause: &rollout.Pause{}},
			{Weight: traffic.Percent(90), For: 5 * time.Minute}, {Weight: traffic.Full},
		}
	case m.Spec.Strategy.Shadow != nil:
		kind, p.End, p.Steps = analysis.Pairs, rollout.EndReport, []rollout.Step{{Shadow: traffic.Full, For: time.Minute}}
		p.Analysis.Metrics = []analysis.Metric{{Name: "errors", Kind: kind, Max: 0.2, Tolerate: 1}}
	}
	metrics := []metric.Metric{{Name: "errors", Kind: kind}}
	if x := m.Spec.Strategy.Experiment; x != nil {
		metrics = append(metrics, compared(&p, x))
		if len(m.Spec.Workload.Variants) > 0 {
			p.Experiment.Arms = []experiment.Arm{{Name: "stable", Weight: 40}, {Name: "canary", Version: "v2", Weight: 30}, {Name: "large", Version: "v3", Weight: 30}}
			p.Steps[0].Weight = traffic.Percent(30)
		}
	}
	return engine.Spec{Plan: p, Metrics: metrics}, nil
}

// compared makes p an experiment, whose goal is that requests "fail": what the
// world can make more frequent on the candidate.
func compared(p *rollout.Plan, x *v1alpha1.Experiment) metric.Metric {
	p.Steps, p.End = []rollout.Step{{Weight: traffic.Percent(50)}}, rollout.EndReport
	p.Analysis.Metrics[0].MaxIncrease = 0.5
	p.Experiment = &experiment.Config{
		Arms:       []experiment.Arm{{Name: "stable", Weight: 50}, {Name: "canary", Weight: 50}},
		Goal:       experiment.Goal{Kind: analysis.Mean, Upper: 1, Binary: true, MinEffect: *x.Goal.MinEffect, After: time.Minute},
		Confidence: 0.95, MinDuration: x.MinDuration.Duration, MaxDuration: x.MaxDuration.Duration, Thompson: x.Allocation == "Thompson", Promote: x.Then == "Promote",
	}
	if p.Experiment.Thompson {
		p.Experiment.Floor, p.Experiment.Every = float64(*x.Floor), x.AllocateEvery.Duration
	}
	if p.Experiment.Promote {
		p.Steps, p.End = append(p.Steps, rollout.Step{Weight: traffic.Full}), rollout.EndPromote
	}
	return metric.Metric{Name: experiment.GoalMetric, Kind: analysis.Mean}
}

// document is a valid rollout.
func document() *v1alpha1.ModelRollout {
	return &v1alpha1.ModelRollout{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, UID: "u1", Generation: 1},
		Spec: v1alpha1.Spec{
			Workload: &v1alpha1.Workload{Name: name},
			Strategy: v1alpha1.Strategy{Canary: &v1alpha1.Canary{}},
			Routing:  v1alpha1.Routing{Replicas: &v1alpha1.Replicas{}},
			Analysis: v1alpha1.Analysis{Source: v1alpha1.Source{Prometheus: &v1alpha1.Prometheus{Address: "http://prometheus:9090", Preset: "model"}}},
		},
	}
}

// create stores the rollout.
func (w *world) create(m *v1alpha1.ModelRollout) {
	w.t.Helper()
	if err := w.server.Create(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

// running is a controller that reconciles the one rollout in a loop, as a
// workqueue would.
type running struct {
	*Controller
	w    *world
	poke chan struct{}
	stop context.CancelFunc
	done chan struct{}
}

func (w *world) run() *running { return w.runWith(statestore.New(w.cfg.Client, w.cfg.Reader)) }

func (w *world) runWith(s States) *running {
	c := w.cfg
	c.States = s
	r := &running{Controller: New(c), w: w, poke: make(chan struct{}, 1), done: make(chan struct{})}
	r.Controller.queue = func(client.ObjectKey) { r.touch() }
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	w.halts = append(w.halts, r.halt)
	go r.loop(ctx)
	return r
}

// touch is a watch that has noticed something.
func (r *running) touch() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

func (r *running) loop(ctx context.Context) {
	defer close(r.done)
	for ctx.Err() == nil {
		after := time.Hour
		out, err := r.Reconcile(ctx, reconcile.Request{NamespacedName: key})
		switch {
		case err != nil:
			after = time.Second
		case out.RequeueAfter > 0:
			after = out.RequeueAfter
		}
		timer := time.NewTimer(after)
		select {
		case <-ctx.Done():
		case <-r.poke:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (r *running) halt() {
	r.stop()
	<-r.done
	r.drop(key)
}

// get reads the rollout as users see it.
func (w *world) get() *v1alpha1.ModelRollout {
	w.t.Helper()
	m := &v1alpha1.ModelRollout{}
	if err := w.server.Get(context.Background(), key, m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// until waits for a status.
func (w *world) until(what string, is func(v1alpha1.ModelRolloutStatus) bool) v1alpha1.ModelRolloutStatus {
	w.t.Helper()
	for range 20_000 {
		if s := w.get().Status; is(s) {
			return s
		}
		time.Sleep(time.Second) // simulated
	}
	text, _ := json.MarshalIndent(w.get().Status, "", " ")
	w.t.Fatalf("never %s: %s", what, text)
	return v1alpha1.ModelRolloutStatus{}
}

func phase(p rollout.Phase) func(v1alpha1.ModelRolloutStatus) bool {
	return func(s v1alpha1.ModelRolloutStatus) bool { return s.Phase == string(p) }
}

func weight(of string) func(v1alpha1.ModelRolloutStatus) bool {
	return func(s v1alpha1.ModelRolloutStatus) bool { return s.Weight.Observed == of && s.Weight.Wanted == of }
}

func holds(s v1alpha1.ModelRolloutStatus, kind string) bool {
	return meta.IsStatusConditionTrue(s.Conditions, kind)
}

// settle makes bootstrap done and nothing on its way.
func (w *world) settle(r *running) {
	w.t.Helper()
	w.until("at rest", func(s v1alpha1.ModelRolloutStatus) bool {
		return holds(s, v1alpha1.ConditionReady) && s.Phase == "Idle"
	})
}

// offer edits the template and wakes the controller.
func (w *world) offer(r *running, revision string) {
	w.models.edit(revision)
	r.touch()
}

func (w *world) events() []string {
	w.t.Helper()
	var all corev1.EventList
	if err := w.server.List(context.Background(), &all, client.InNamespace(ns)); err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range all.Items {
		out = append(out, e.Reason)
	}
	return out
}
