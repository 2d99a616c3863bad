package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/sourcetest"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/store/memory"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload/workloadtest"
)

// world is everything outside an engine: what outlives its crash. It lives in
// a synctest bubble, so its seconds cost nothing.
type world struct {
	t      *testing.T
	plan   rollout.Plan
	store  keeper
	router *routertest.Fake
	models *workloadtest.Fake
	ledger *sourcetest.Ledger
	source *sourcetest.Fake
	full   atomic.Bool // no Save finds room
	judge  func(analysis.Config, analysis.State, analysis.Sample) (analysis.State, analysis.Verdict)
	config func(*Config) // last changes
	counts time.Duration // Config.CountsSaved
	bad    atomic.Int64  // of 100 canary requests
	stop   chan struct{}
	halts  []context.CancelFunc
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, plan: ladder(5, 25, 50, 100),
		store: memory.New(0), router: &routertest.Fake{}, ledger: &sourcetest.Ledger{},
		models: &workloadtest.Fake{Revisions: map[rollout.Role]string{traffic.Stable: "a", traffic.Canary: "b"}},
		judge:  tally, stop: make(chan struct{}),
	}
	w.source = &sourcetest.Fake{Ledger: w.ledger}
	go w.users()
	return w
}

// end ends what still runs in the world, so that a test may fail anywhere.
func (w *world) end() {
	close(w.stop)
	for _, halt := range w.halts {
		halt()
	}
}

// ladder is a plan with a step for each weight in percent.
func ladder(percents ...float64) rollout.Plan {
	p := rollout.Plan{
		Name:   "churn",
		Stable: rollout.Revision{Version: "v1", Hash: "a"}, Canary: rollout.Revision{Version: "v2", Hash: "b"},
		Analysis: analysis.Config{
			FalseRollback: 0.01, FalsePromotion: 0.05, Interval: time.Second, MaxDuration: time.Hour,
			Metrics: []analysis.Metric{{Name: "errors", Kind: analysis.ErrorRate, MaxRatio: 1.25, MaxIncrease: 0.02, Tolerate: 0.5}},
		},
		MaxDuration: time.Hour, OnDeadline: rollout.HoldAtDeadline,
	}
	for _, x := range percents {
		p.Steps = append(p.Steps, rollout.Step{Weight: traffic.Percent(x)})
	}
	return p
}

// users send a hundred requests a second and go where the router says. One of
// a hundred fails on stable.
func (w *world) users() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	owed, sent, failed := 0, 0, 0
	for i := 0; ; i++ {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		s, ok := w.router.Current()
		if !ok {
			continue
		}
		owed += 10 * int(s.Canary)
		canary := owed / int(traffic.Full)
		owed -= canary * int(traffic.Full)
		bad := 0
		for range canary {
			sent++
			if sent*int(w.bad.Load())/100 > failed {
				failed++
				bad++
			}
		}
		w.ledger.Serve(traffic.Canary, canary, bad)
		stableBad := 0
		if i%10 == 0 && canary < 10 {
			stableBad = 1
		}
		w.ledger.Serve(traffic.Stable, 10-canary, stableBad)
	}
}

// keeper is a store and its journal.
type keeper interface {
	store.Store
	store.Journal
}

// savingStore lets a test make a Save fail.
type savingStore struct {
	keeper
	w *world
}

func (s savingStore) Save(ctx context.Context, id rollout.ID, st rollout.State, v store.Version) (store.Version, error) {
	if s.w.full.Load() {
		return 0, errFull
	}
	return s.keeper.Save(ctx, id, st, v)
}

// running is an engine in the world.
type running struct {
	*Engine
	w      *world
	cancel context.CancelFunc
	ended  chan error
}

func (w *world) configuration() Config {
	s := savingStore{w.store, w}
	c := Config{
		Spec:     Spec{Plan: w.plan, Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}}},
		Workload: w.models, Router: w.router, Source: w.source, Store: s, Journal: s,
		CountsSaved: w.counts,
		Logger:      slog.New(slog.DiscardHandler), Step: w.judge, Next: rollout.Next, StageOf: rollout.StageOf,
	}
	if w.config != nil {
		w.config(&c)
	}
	return c
}

func (w *world) run() *running {
	w.t.Helper()
	e, err := New(w.configuration())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.halts = append(w.halts, cancel)
	r := &running{Engine: e, w: w, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- e.Run(ctx) }()
	return r
}

func (r *running) halt() {
	r.w.t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		r.w.t.Fatalf("run: %v", err)
	}
}

// outcome waits for the end of the rollout.
func (r *running) outcome() Outcome {
	r.w.t.Helper()
	select {
	case <-r.Done():
	case <-time.After(2 * time.Hour):
		s, _ := json.Marshal(r.Status())
		r.w.t.Fatalf("no outcome after two hours: %s", s)
	}
	o, ok := r.Outcome()
	if !ok {
		r.w.t.Fatal("done without an outcome")
	}
	return o
}

// until waits for a status.
func (r *running) until(what string, is func(Status) bool) Status {
	r.w.t.Helper()
	for range 100000 {
		if s := r.Status(); is(s) {
			return s
		}
		time.Sleep(50 * time.Millisecond) // simulated
	}
	s, _ := json.Marshal(r.Status())
	r.w.t.Fatalf("never %s: %s", what, s)
	return Status{}
}

func (r *running) weight(percent float64) Status {
	r.w.t.Helper()
	return r.until("at its weight", func(s Status) bool {
		return s.Observed.Canary == traffic.Percent(percent) && s.Wanted.Canary == s.Observed.Canary
	})
}

// tally judges by counting: it passes a step after 40 canary requests in it (40
// of stable's, which are mirrored, in a shadow step), and fails when more than 10 of at least 40 went wrong. Its verdict carries
// everything it ever counted, and the cursor of the newest block.
func tally(cfg analysis.Config, s analysis.State, x analysis.Sample) (analysis.State, analysis.Verdict) {
	v := analysis.Verdict{Decision: analysis.Inconclusive, Block: x.Block, Stage: x.Stage, Reason: x.Cursor}
	var before, m analysis.MetricVerdict
	if len(s.Verdict.Metrics) > 0 {
		before = s.Verdict.Metrics[0]
	}
	now := x.Metrics["errors"]
	m = analysis.MetricVerdict{
		Name: "errors", Kind: analysis.ErrorRate, Decision: analysis.Inconclusive,
		StableN: before.StableN + now.Stable.N, CanaryN: before.CanaryN + now.Canary.N,
		Stable: before.Stable + float64(now.Stable.K), Canary: before.Canary + float64(now.Canary.K),
		LogPromotion: float64(now.Canary.N),
	}
	if x.Stage.Shadow {
		m.LogPromotion = float64(now.Stable.N)
	}
	if s.Stage == x.Stage {
		m.LogPromotion += before.LogPromotion
	}
	switch {
	case m.CanaryN >= 40 && m.Canary > 10, s.Verdict.Decision == analysis.Fail:
		m.Decision, v.Culprits = analysis.Fail, []string{"errors"}
	case m.LogPromotion >= 40:
		m.Decision = analysis.Pass
	}
	v.Decision, v.Metrics = m.Decision, []analysis.MetricVerdict{m}
	s.Version, s.Blocks, s.LastBlock, s.Stage, s.Verdict = 1, s.Blocks+1, x.Block, x.Stage, v
	return s, v
}

// state is what is saved.
func (w *world) state() rollout.State {
	w.t.Helper()
	s, _, err := w.store.Load(context.Background(), "churn")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// exact tests that the saved evidence holds every request up to its cursor
// once, none missing and none twice.
func (w *world) exact() {
	w.t.Helper()
	ev := w.state().Evidence
	if ev == nil || len(ev.Verdict.Metrics) == 0 {
		w.t.Fatal("no evidence is saved")
	}
	at := decodeCount(ev.Verdict.Reason)
	m := ev.Verdict.Metrics[0]
	got := sourcetest.Count{StableN: m.StableN, StableK: int64(m.Stable), CanaryN: m.CanaryN, CanaryK: int64(m.Canary)}
	if got != at {
		w.t.Errorf("the evidence holds %+v, but %+v happened until its newest block", got, at)
	}
}

// decodeCount reads a cursor of the fake source.
func decodeCount(cursor string) (c sourcetest.Count) {
	if err := json.Unmarshal([]byte(cursor), &c); err != nil {
		panic(fmt.Sprintf("cursor %q: %v", cursor, err))
	}
	return c
}

// blocks and events read the journal.
func (w *world) blocks() []Block { return readAll[Block](w, store.BlockRecord) }

func (w *world) events() []rollout.Event { return readAll[rollout.Event](w, store.EventRecord) }

func readAll[T any](w *world, kind store.RecordKind) []T {
	w.t.Helper()
	rs, err := w.store.Read(context.Background(), "churn", kind, 100000)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []T
	for _, r := range rs {
		var v T
		if err := json.Unmarshal(r.Data, &v); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// weights are the canary's weights in percent in the order they were applied.
func (w *world) weights() []float64 {
	var out []float64
	for _, s := range w.router.Applied() {
		if p := 100 * s.Canary.Share(); len(out) == 0 || out[len(out)-1] != p {
			out = append(out, p)
		}
	}
	return out
}

// errFull is what a store returns on a full disk.
var errFull = fmt.Errorf("write churn.db: %w", syscall.ENOSPC)
