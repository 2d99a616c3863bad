package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// capabilitiesKept is how long what a data plane can do is believed.
const capabilitiesKept = 5 * time.Minute

// soon is when a rollout is looked at again whose workload has changed by itself.
const soon = 100 * time.Millisecond

// The notes of the shell itself.
const (
	noteSpec     = "haldane.dev/spec"     // what the adapters are made of while a revision is on its way
	noteRetiring = "haldane.dev/retiring" // a spec whose route is to be released
	noteLeaving  = "haldane.dev/leaving"  // the rollout is deleted, and its route and workloads are released
)

// driver drives one ModelRollout. Its methods are called by one reconcile at a
// time.
type driver struct {
	c     *Controller
	about types.NamespacedName
	uid   types.UID
	id    rollout.ID
	guard *guard

	active   *v1alpha1.Spec // what the adapters are made of; nil before that
	engine   *engine.Engine // nil before the first plan
	opened   bool           // the engine has read its state
	saved    rollout.State  // what was saved when the driver began
	asked    time.Time      // when the router last said that it can do what is asked
	answered bool           // the source has, since the driver began
	// former are the types of the conditions that adapters before these reported.
	former map[string]bool
	// live is the engine once it has, for readers beside the reconcile.
	live atomic.Pointer[engine.Engine]
}

// turned is what one turn has found.
type turned struct {
	after      time.Duration
	waiting    string // before the engine has begun
	conditions []cluster.Condition
}

func (c *Controller) newDriver(about types.NamespacedName, uid types.UID) *driver {
	id := rollout.ID(about.String())
	c.cfg.States.Own(id, uid)
	return &driver{
		c: c, about: about, uid: uid, id: id,
		guard: &guard{epoch: func() uint64 { return c.cfg.States.Epoch(id) }, slots: &c.slots},
	}
}

// turn goes round once. m is defaulted, and valid unless bad says otherwise:
// then what is on its way goes on by what was read before.
func (d *driver) turn(ctx context.Context, m *v1alpha1.ModelRollout, bad error, commands []rollout.Command) (turned, []engine.Answer, error) {
	none := make([]engine.Answer, len(commands))
	for i := range none {
		none[i].Err = errors.New("not yet")
	}
	if err := d.equip(ctx, m, bad); err != nil {
		return turned{}, none, err
	}
	if d.active == nil { // refused, and nothing was ever begun
		return turned{}, none, nil
	}
	w, _, _ := d.guard.parts()
	waiting, err := bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (string, error) {
		return w.Prepare(ctx, d.workloadTarget())
	})
	if err != nil {
		err = fmt.Errorf("prepare the workloads: %w", err)
	}
	if d.state().Phase == "" && (err != nil || waiting != "") {
		return turned{after: 5 * time.Second, waiting: waiting, conditions: d.guard.conditions()}, none, err
	}
	spec, perr := d.plan(ctx, m, bad)
	if perr != nil {
		return turned{}, none, errors.Join(err, perr)
	}
	if oerr := d.open(ctx, spec); oerr != nil {
		return turned{}, none, errors.Join(err, oerr)
	}
	before := d.engine.State()
	commands = append(commands, byFile(m, before, d.overdue(m))...)
	after, answers := d.engine.Step(ctx, commands)
	d.noteAnswers(before)
	if x, ok := w.(cluster.Declarer); ok && x.Moved() {
		after = min(after, soon)
	}
	out := turned{after: after, conditions: d.guard.conditions()}
	if x, known := d.availability(); known {
		out.conditions = append(out.conditions, x)
	}
	return out, answers[:len(none)], errors.Join(err, d.retire(ctx))
}

// plan is what the file and the workloads say now. While the revisions cannot
// be told, or a condition blocks new ones, the plan names none that is new.
func (d *driver) plan(ctx context.Context, m *v1alpha1.ModelRollout, bad error) (engine.Spec, error) {
	w, _, _ := d.guard.parts()
	x, declared := w.(cluster.Declarer)
	withdrawn := false
	if declared && bad == nil {
		var err error
		if withdrawn, err = d.declare(ctx, x, m); err != nil {
			return engine.Spec{}, err
		}
	}
	type pair struct{ stable, canary rollout.Revision }
	now, err := bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (pair, error) {
		s, c, err := w.Revisions(ctx, d.workloadTarget())
		return pair{s, c}, err
	})
	if err != nil && d.engine == nil {
		return engine.Spec{}, fmt.Errorf("read the revisions: %w", err)
	}
	if err != nil || declared && bad != nil {
		now = pair{} // the engine goes on by what it knows
	}
	if withdrawn {
		now.canary = now.stable
	}
	if bad != nil {
		m = m.DeepCopy()
		m.Spec = *d.active
	}
	if d.resting() {
		for _, x := range d.guard.conditions() {
			if x.Blocks && x.True {
				now.canary = now.stable
			}
		}
	}
	spec, err := d.c.cfg.Spec(m, now.stable, now.canary)
	if err != nil {
		return engine.Spec{}, fmt.Errorf("make the plan: %w", err)
	}
	spec.Plan.Name = d.id
	return spec, d.able(ctx, spec.Plan)
}

// able refuses a plan that asks more than the data plane can do. It looks while
// nothing is on its way, every few minutes.
func (d *driver) able(ctx context.Context, p rollout.Plan) error {
	if !d.resting() || d.c.cfg.Wall().Sub(d.asked) < capabilitiesKept {
		return nil
	}
	_, r, _ := d.guard.parts()
	can, err := bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (traffic.Capabilities, error) {
		return r.Capabilities(ctx, d.routerTarget())
	})
	if err != nil {
		return fmt.Errorf("ask the router what it can do: %w", err)
	}
	if missing := lacking(can, p); missing != "" {
		return &refusal{fmt.Errorf("spec.routing: what serves this route cannot %s: choose another router, or leave it out", missing)}
	}
	d.asked = d.c.cfg.Wall()
	return nil
}

// lacking names what a plan asks for and a data plane cannot do, "" if nothing.
func lacking(can traffic.Capabilities, p rollout.Plan) string {
	if !can.Weights {
		return "split by weight"
	}
	for _, s := range p.Steps {
		if s.Shadow > 0 && !(can.Mirror && can.Pairs) {
			return "mirror requests and compare the answers"
		}
	}
	if p.Split.Sticky != (traffic.Sticky{}) && !can.Sticky {
		return "keep users on their arm"
	}
	if p.Experiment != nil && len(p.Experiment.Arms) > traffic.NumArms && !can.Variants {
		return "divide traffic between more than two arms"
	}
	forced := slices.Concat(p.Split.Always, p.Split.Never)
	if p.Experiment != nil {
		for _, a := range p.Experiment.Arms {
			forced = append(forced, a.Always...)
		}
	}
	for _, m := range forced {
		switch {
		case m.Header != nil && !can.Header:
			return "match headers"
		case m.Cookie != nil && !can.Cookie:
			return "match cookies"
		case len(m.Country) > 0 && !can.Country:
			return "match countries"
		case m.Cohort != "" && !can.Cohort:
			return "match lists of users"
		}
	}
	if len(p.Split.Always) > 0 && !can.ForcedKept {
		return "count the requests of always matches apart, which are no evidence"
	}
	return ""
}

// open makes the engine and lets it read its state, or hands it the plan.
func (d *driver) open(ctx context.Context, spec engine.Spec) error {
	if d.engine != nil {
		if err := d.engine.Reload(spec); err != nil {
			return err
		}
	} else {
		e, err := engine.New(engine.Config{
			Spec: spec, Workload: guardedWorkload{d.guard}, Router: guardedRouter{d.guard}, Source: guardedSource{d.guard},
			Store:   d.c.cfg.States,
			Journal: &journal{client: d.c.cfg.Client, about: d.about, uid: d.uid},
			Outside: []engine.Outside{guardedOutside{d.guard}}, Listeners: guardedListeners{d.guard}, Warnings: d.guard.warnings,
			Mode: "kubernetes", Logger: d.c.cfg.Logger, Timeout: d.c.cfg.Timeout,
			Later: func() { d.c.wake(d.about) }, Lazy: true, CountsSaved: time.Minute, Wall: d.c.cfg.Wall,
		})
		if err != nil {
			return err
		}
		d.engine = e
	}
	if d.opened {
		return nil
	}
	if err := d.engine.Open(ctx); err != nil {
		return err
	}
	d.opened = true
	d.live.Store(d.engine)
	return nil
}

// state is the newest known.
func (d *driver) state() rollout.State {
	if d.opened {
		return d.engine.State()
	}
	return d.saved
}

// resting reports whether nothing is on its way, so that an edit can take
// effect.
func (d *driver) resting() bool { return resting(d.state()) }

func resting(s rollout.State) bool {
	switch s.Phase {
	case "":
		return true
	case rollout.Idle:
		return s.Serving == ""
	}
	return s.Phase.Terminal() && s.Ended
}

// equip makes the adapters of m's spec, unless a revision is on its way: that
// goes on by the spec it began with, across restarts too.
func (d *driver) equip(ctx context.Context, m *v1alpha1.ModelRollout, bad error) error {
	if d.active == nil {
		return d.firstEquip(ctx, m, bad)
	}
	if bad != nil || apiequality.Semantic.DeepEqual(adapted(*d.active), adapted(m.Spec)) || !d.resting() {
		return nil
	}
	notes := d.c.cfg.States.Notes(d.id)
	if routed(*d.active) != routed(m.Spec) {
		old, err := notes.Get(ctx, noteRetiring)
		if err != nil {
			return err
		}
		if old != nil {
			return nil // one route after the other
		}
		if err := put(ctx, notes, noteRetiring, d.active); err != nil {
			return err
		}
	}
	return d.make(ctx, &m.Spec)
}

func (d *driver) firstEquip(ctx context.Context, m *v1alpha1.ModelRollout, bad error) error {
	st, _, err := d.c.cfg.States.Load(ctx, d.id)
	if err != nil {
		return err
	}
	d.saved = st
	spec := &m.Spec
	if !resting(st) || bad != nil {
		kept, err := noted(ctx, d.c.cfg.States.Notes(d.id), noteSpec)
		switch {
		case err != nil:
			return fmt.Errorf("read the spec that the rollout began with: %w", err)
		case kept != nil:
			spec = kept
		case bad != nil:
			return nil
		}
	}
	return d.make(ctx, spec)
}

// make replaces the adapters by those of spec, and notes it.
func (d *driver) make(ctx context.Context, spec *v1alpha1.Spec) error {
	who := d.rollout(spec)
	w, err := d.c.cfg.Adapters.Workload(who)
	if err != nil {
		return &refusal{fmt.Errorf("spec.workload: %w", err)}
	}
	r, err := d.c.cfg.Adapters.Router(who)
	if err != nil {
		return &refusal{fmt.Errorf("spec.routing: %w", err)}
	}
	s, err := d.c.cfg.Adapters.Source(who)
	if err != nil {
		return &refusal{fmt.Errorf("spec.analysis.source: %w", err)}
	}
	o, err := d.c.cfg.Adapters.Outside(who)
	if err != nil {
		return &refusal{fmt.Errorf("spec.hooks and spec.notifications: %w", err)}
	}
	if err := put(ctx, who.Notes, noteSpec, spec); err != nil {
		return err
	}
	address := ""
	if p := spec.Analysis.Source.Prometheus; p != nil {
		address = p.Address
	}
	for _, x := range d.guard.conditions() {
		if d.former == nil {
			d.former = map[string]bool{}
		}
		d.former[x.Type] = true
	}
	d.guard.set(w, r, s, address)
	d.guard.turnTo(o)
	d.asked = time.Time{}
	d.active = spec.DeepCopy()
	return nil
}

// refusal is an error that only an edit of the file can end.
type refusal struct{ error }

// Unwrap returns the cause.
func (r *refusal) Unwrap() error { return r.error }

func (d *driver) rollout(spec *v1alpha1.Spec) cluster.Rollout {
	return cluster.Rollout{
		Namespace: d.about.Namespace, Name: d.about.Name, UID: string(d.uid), Spec: spec.DeepCopy(),
		Client: d.c.cfg.Client, Reader: d.c.cfg.Reader, Notes: d.c.cfg.States.Notes(d.id), Exists: d.c.exists,
		Logger: d.c.cfg.Logger.With("rollout", string(d.id)),
	}
}

// retire releases the route that an edit has left behind, once the new one is
// known to carry the traffic.
func (d *driver) retire(ctx context.Context) error {
	notes := d.c.cfg.States.Notes(d.id)
	old, err := noted(ctx, notes, noteRetiring)
	if err != nil {
		return fmt.Errorf("read the spec whose route is to be released: %w", err)
	}
	if old == nil || !d.guard.settled() {
		return nil
	}
	r, err := d.c.cfg.Adapters.Router(d.rollout(old))
	if err != nil {
		return fmt.Errorf("release the former route: %w", err)
	}
	_, err = bounded(ctx, d.c.cfg.Timeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.Release(ctx, d.routerTarget())
	})
	if err != nil {
		return fmt.Errorf("release the former route: %w", err)
	}
	return notes.Put(ctx, noteRetiring, nil)
}

func (d *driver) sequence() uint64 {
	if d.engine == nil {
		return d.c.cfg.States.Epoch(d.id)
	}
	return d.c.cfg.States.Epoch(d.id) + d.engine.State().Sequence
}

func (d *driver) workloadTarget() workload.Target {
	return workload.Target{Rollout: string(d.id), Sequence: d.sequence()}
}

func (d *driver) routerTarget() router.Target {
	return router.Target{Rollout: string(d.id), Sequence: d.sequence()}
}

func (d *driver) close() {
	if d.engine != nil {
		d.engine.Close()
	}
}

// adapted is the part of a spec that adapters are made of: what is counted, and
// which arms there are, follows from the strategy, too.
func adapted(s v1alpha1.Spec) v1alpha1.Spec {
	return v1alpha1.Spec{Workload: s.Workload, Strategy: s.Strategy, Routing: s.Routing, Analysis: s.Analysis, Inference: s.Inference,
		Hooks: s.Hooks, Notifications: s.Notifications, Switch: s.Switch}
}

// routed names the objects that carry a route. Another wish for the same objects
// is carried out on them: to release them would be to take the route away.
func routed(s v1alpha1.Spec) (out [4]string) {
	switch r := s.Routing; {
	case r.Gateway != nil && r.Gateway.Fleet != nil:
		out = [4]string{"fleet", r.Gateway.Fleet.Service}
	case r.Flag != nil && r.Flag.Fleet != nil:
		out = [4]string{"fleet", r.Flag.Fleet.Service}
	case r.GatewayAPI != nil:
		out = [4]string{"gatewayAPI", r.GatewayAPI.HTTPRoute, r.GatewayAPI.GRPCRoute, strconv.FormatBool(r.GatewayAPI.Adopt)}
	case r.Istio != nil:
		out = [4]string{"istio", r.Istio.VirtualService, r.Istio.DestinationRule, strconv.FormatBool(r.Istio.Adopt)}
	case r.Nginx != nil:
		out = [4]string{"nginx", r.Nginx.Ingress}
	case r.AppMesh != nil:
		out = [4]string{"appMesh", r.AppMesh.VirtualRouter, r.AppMesh.Route}
	case r.Replicas != nil:
		out = [4]string{"replicas"}
	}
	return out
}
