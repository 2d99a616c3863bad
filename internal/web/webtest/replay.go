package webtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// BlockLength is the time one block of a replay covers.
const BlockLength = 2 * time.Second

// labelDelay is how many blocks later the label of a prediction comes back.
const labelDelay = 10

// replay is one rollout on its way, advanced block by block. It is not safe
// for concurrent use.
type replay struct {
	scenario Scenario
	source   source
	judges   []*judge
	status   engine.Status
	blocks   []engine.Block
	events   []rollout.Event
	inStep   int // blocks in this step
	held     bool
	pending  []map[string]count // predictions whose labels are on the way, oldest first
}

func newReplay(s Scenario, now time.Time) *replay {
	r := &replay{scenario: s}
	steps := []rollout.Step{
		{Weight: traffic.Percent(5), Factor: 4}, {Weight: traffic.Percent(25), Factor: 2},
		{Weight: traffic.Percent(50), Factor: 1}, {Weight: traffic.Full},
	}
	r.status = engine.Status{
		Name: s.Name, Mode: "local", Strategy: rollout.StrategyCanary, Steps: steps, Attempt: 0,
		Stable:         rollout.Revision{Version: s.Stable.Version, Hash: "5f1c0e7a"},
		Canary:         rollout.Revision{Version: s.Canary.Version, Hash: "c07a9d42"},
		Links:          map[string]string{"gateway": "http://127.0.0.1:8080"},
		FalseRollback:  alpha,
		FalsePromotion: beta,
	}
	r.begin(now)
	return r
}

// begin starts the next attempt at the revision.
func (r *replay) begin(now time.Time) {
	s := &r.status
	s.Attempt++
	r.source = source{rand.New(rand.NewPCG(r.scenario.Seed, uint64(s.Attempt)))}
	r.judges, r.inStep, r.held, r.pending = judges(r.scenario), 0, false, nil
	s.Phase, s.Step, s.Began, s.StepBegan = rollout.Initializing, 0, now, time.Time{}
	s.Now, s.Deadline = now, now.Add(30*time.Minute)
	s.Reason, s.Waiting = "", "Waiting for "+s.Canary.Version+" to become ready"
	s.Verdict = analysis.Verdict{}
	s.Totals = map[string]engine.Totals{"stable": {}, "canary": {}}
	s.Labels = map[string]engine.Coverage{"stable": {}, "canary": {}}
	s.Workloads = map[string]rollout.Health{
		"stable": {Ready: true, Revision: s.Stable.Hash, Since: now},
		"canary": {Message: "loading the model", Since: now},
	}
	r.want(0)
	r.tell(rollout.EventStarted, "attempt %d at %s begins", s.Attempt, s.Canary.Version)
}

func (r *replay) want(w traffic.Weight) {
	s := &r.status
	s.Wanted = traffic.Split{Generation: s.Wanted.Generation + 1, Canary: w, Salt: s.Name}
	s.Observed.Level = traffic.Accepted
}

func (r *replay) tell(kind rollout.EventKind, format string, args ...any) rollout.Event {
	s := &r.status
	e := rollout.Event{
		ID: fmt.Sprintf("%s-%d-%d", s.Canary.Hash, s.Attempt, len(r.events)), At: s.Now, Kind: kind,
		Revision: s.Canary.Version, Attempt: s.Attempt, Step: s.Step, Message: fmt.Sprintf(format, args...),
	}
	r.events = append(r.events, e)
	return e
}

// advance lets one block of time pass.
func (r *replay) advance() {
	s := &r.status
	s.Now = s.Now.Add(BlockLength)
	s.Observed.Generation, s.Observed.Canary, s.Observed.Level = s.Wanted.Generation, s.Wanted.Canary, traffic.Flowing
	switch s.Phase {
	case rollout.Initializing:
		if s.Now.Sub(s.Began) >= 2*BlockLength {
			s.Workloads["canary"] = rollout.Health{Ready: true, Revision: s.Canary.Hash, Since: s.Now}
			r.tell(rollout.EventReady, "%s is ready", s.Canary.Version)
			r.enter(0)
		}
	case rollout.Progressing, rollout.Paused:
		r.block()
		r.decide()
	case rollout.Promoting:
		s.Phase, s.PhaseBegan, s.Waiting = rollout.Promoted, s.Now, ""
		s.Reason = fmt.Sprintf("every metric showed %s to be no worse than %s", s.Canary.Version, s.Stable.Version)
		r.tell(rollout.EventPromoted, "%s serves all traffic", s.Canary.Version)
	case rollout.RollingBack:
		s.Phase, s.PhaseBegan, s.Waiting = rollout.RolledBack, s.Now, ""
		r.tell(rollout.EventRolledBack, "all traffic is back on %s", s.Stable.Version)
	case rollout.Promoted, rollout.RolledBack:
		if r.scenario.Lasting {
			r.blocks = append(r.blocks, engine.Block{
				Block: int64(len(r.blocks) + 1), Start: s.Now.Add(-BlockLength), End: s.Now, Step: s.Step, Phase: s.Phase, Verdict: s.Verdict,
				Arms: map[string]engine.BlockArm{"stable": {Requests: 640}},
			})
		}
	}
}

// enter begins a step.
func (r *replay) enter(step int) {
	s := &r.status
	s.Phase, s.Step, s.StepBegan, s.Hold, r.inStep = rollout.Progressing, step, s.Now, nil, 0
	for _, j := range r.judges {
		j.promote.restart()
		if j.decided != analysis.Fail {
			j.decided = analysis.Inconclusive
		}
	}
	w := s.Steps[step].Weight
	r.want(w)
	if w == traffic.Full {
		s.Phase, s.Waiting = rollout.Promoting, "Waiting for the router to carry 100% to "+s.Canary.Version
		r.tell(rollout.EventPromoting, "the last gate passed: all traffic goes to %s", s.Canary.Version)
		return
	}
	s.Waiting = fmt.Sprintf("Waiting for evidence at %s", w)
	r.tell(rollout.EventStep, "step %d of %d: %s of traffic to %s", step+1, len(s.Steps), w, s.Canary.Version)
}

func (r *replay) decide() {
	s := &r.status
	switch {
	case s.Verdict.Decision == analysis.Fail:
		r.rollBack(s.Verdict.Reason)
	case r.held:
		s.Waiting = "Held: resume goes on, abort takes it back"
	case s.Verdict.Decision == analysis.Pass:
		r.enter(s.Step + 1)
	default:
		s.Waiting = fmt.Sprintf("Waiting for evidence at %s: %s", s.Wanted.Canary, s.Verdict.Reason)
	}
}

func (r *replay) rollBack(reason string) {
	s := &r.status
	r.held, s.Hold = false, nil
	s.Phase, s.Reason, s.Waiting = rollout.RollingBack, reason, "Waiting for the router to confirm that all traffic has left "+s.Canary.Version
	r.want(0)
	r.tell(rollout.EventRollback, "%s", reason)
}

// block makes up one block and its verdict.
func (r *replay) block() {
	s := &r.status
	r.inStep++
	share := s.Wanted.Canary.Share()
	n := r.scenario.RPS * BlockLength.Seconds()
	canary := r.source.binomial(n, share)
	b := engine.Block{
		Block: int64(len(r.blocks) + 1), Start: s.Now.Add(-BlockLength), End: s.Now, Step: s.Step, Phase: s.Phase,
		Weight: 100 * share, Wanted: 100 * share, Arms: map[string]engine.BlockArm{},
	}
	labels := map[string]count{}
	counts := map[string][2]count{}
	for i, arm := range []string{"stable", "canary"} {
		behaviour, requests := r.scenario.Stable, n-canary
		if i == 1 {
			behaviour, requests = r.scenario.Canary, canary
		}
		b.Arms[arm] = r.arm(arm, behaviour, requests, labels, func(metric string, c count) {
			both := counts[metric]
			both[i] = c
			counts[metric] = both
		})
	}
	for _, v := range r.scenario.Variants {
		b.Arms[v.Name] = r.arm(v.Name, v.Arm, canary, labels, func(string, count) {})
	}
	r.pending = append(r.pending, labels)
	if len(r.pending) > labelDelay {
		r.pending = r.pending[1:]
	}
	b.Verdict = r.verdict(b.Block, counts)
	s.Verdict = b.Verdict
	r.blocks = append(r.blocks, b)
}

// arm makes up what one arm did, tells of each metric's counts, and adds it to
// the running totals.
func (r *replay) arm(name string, a Arm, n float64, labels map[string]count, tell func(string, count)) engine.BlockArm {
	errors, slow, yes := r.source.binomial(n, a.ErrorRate), r.source.binomial(n, a.over(r.scenario.Stable.quantile(1.2))), r.source.binomial(n, a.Yes)
	confidence := r.source.near(a.Confidence, 0.12, n)
	out := engine.BlockArm{Requests: int64(n), Errors: int64(errors), Classes: map[string]int64{"stays": int64(n - errors - math.Min(yes, n-errors)), "leaves": int64(math.Min(yes, n-errors))}}
	if n > 0 {
		p50, p95, p99 := r.source.near(a.quantile(0), a.Median, n*3), r.source.near(a.quantile(1.645), 2*a.Median, n*2), r.source.near(a.quantile(2.326), 3*a.Median, n)
		out.P50, out.P95, out.P99, out.Confidence = &p50, &p95, &p99, &confidence
	}
	labels[name] = count{n: math.Round(n * 0.9), k: r.source.binomial(math.Round(n*0.9), 1-a.Accuracy)}
	var matured count
	if len(r.pending) >= labelDelay {
		matured = r.pending[0][name]
	}
	out.Labelled, out.Correct = int64(matured.n), int64(matured.n-matured.k)
	tell("errors", count{n, errors})
	tell("latency", count{n, slow})
	tell("answers", count{n, yes})
	tell("confidence", count{n, n * (1 - confidence)})
	tell("accuracy", matured)
	t := r.status.Totals[name]
	t.Requests, t.Errors, t.Predicted, t.Labelled = t.Requests+out.Requests, t.Errors+out.Errors, t.Predicted+out.Requests-out.Errors, t.Labelled+out.Labelled
	r.status.Totals[name] = t
	// Of a tenth of the predictions no label ever comes.
	l := r.status.Labels[name]
	l.Predicted, l.Labelled, l.Wrong = l.Predicted+int64(math.Round(matured.n/0.9)), l.Labelled+out.Labelled, l.Wrong+int64(matured.k)
	r.status.Labels[name] = l
	return out
}

func (r *replay) verdict(block int64, counts map[string][2]count) analysis.Verdict {
	s := &r.status
	v := analysis.Verdict{Decision: analysis.Pass, Block: block, Stage: analysis.Stage{Index: s.Step, Factor: s.Steps[s.Step].Factor, Last: s.Step == 2}}
	var waiting []string
	for _, j := range r.judges {
		both := counts[j.name]
		m := j.step(both[0], both[1], v.Stage.Factor)
		if m.Decision == analysis.Fail && m.LogRollback >= m.RollbackThreshold {
			v.Culprits = append(v.Culprits, j.name)
		}
		delayed := j.kind == analysis.Outcome && !v.Stage.Last
		if m.Decision != analysis.Pass && !delayed {
			waiting = append(waiting, j.name)
		}
		v.Metrics = append(v.Metrics, m)
	}
	switch {
	case len(v.Culprits) > 0:
		slices.Sort(v.Culprits)
		v.Decision, v.Reason = analysis.Fail, v.Culprits[0]+": "+reasonOf(v, v.Culprits[0])
	case len(waiting) > 0 || r.inStep < 6:
		v.Decision, v.Reason = analysis.Inconclusive, "this step is too young"
		if len(waiting) > 0 {
			v.Reason = waiting[0] + ": " + reasonOf(v, waiting[0])
		}
	default:
		v.Reason = fmt.Sprintf("every metric is within its margin at %s", s.Wanted.Canary)
	}
	return v
}

func reasonOf(v analysis.Verdict, metric string) string {
	for _, m := range v.Metrics {
		if m.Name == metric {
			return m.Reason
		}
	}
	return ""
}
