package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// candidate is the revision of all treatments: with another variant it is another
// experiment.
func candidate(e *v1alpha1.Endpoints) rollout.Revision {
	r := revision(e.Canary)
	if len(e.Variants) == 0 {
		return r
	}
	all := []string{r.Hash}
	for _, name := range slices.Sorted(maps.Keys(e.Variants)) {
		all = append(all, name, revision(e.Variants[name]).Hash)
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings always marshal
	}
	sum := sha256.Sum256(text)
	r.Hash = hex.EncodeToString(sum[:6])
	return r
}

// experimentPlan is the plan of a validated file that compares arms by a goal. The
// probability of a false alarm is that of all treatments together.
func experimentPlan(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (rollout.Plan, error) {
	x := m.Spec.Strategy.Experiment
	rules, err := analysisConfig(m.Spec.Analysis)
	if err != nil {
		return rollout.Plan{}, err
	}
	rules.FalseRollback /= float64(len(x.Arms) - 1)
	rules.Sticky = m.Spec.Routing.StickyBy != nil
	rules.PerRequest = !rules.Sticky
	split := splitTemplate(m)
	versions := map[string]string{v1alpha1.ArmStable: stable.Version, v1alpha1.ArmCanary: canary.Version}
	if at := m.Spec.Endpoints; at != nil {
		for name, v := range at.Variants {
			versions[name] = v.Version
		}
	}
	if w := m.Spec.Workload; w != nil {
		for name, v := range w.Variants {
			versions[name] = v.Version
		}
	}
	e := experimentConfig(x, versions)
	e.Goal.After = m.Spec.Analysis.Warmup.Duration + goalMaturity(x.Goal)
	for _, a := range e.Arms {
		if a.Name == v1alpha1.ArmCanary {
			split.Always = a.Always
		}
	}
	p := rollout.Plan{
		Name: rollout.ID(m.Name), Stable: stable, Canary: canary,
		Steps: []rollout.Step{{Weight: traffic.Percent(float64(e.Arms[traffic.Canary].Weight))}},
		Split: split, Analysis: rules, OnDeadline: rollout.HoldAtDeadline,
		ReadyWithin: x.ReadyWithin.Duration, ScaleDown: x.ScaleDownDelay.Duration,
		Confirm: confirm(m), End: rollout.EndReport, Experiment: &e,
	}
	if e.Promote {
		p.Steps, p.End = append(p.Steps, rollout.Step{Weight: traffic.Full}), rollout.EndPromote
	}
	return p, nil
}

// experimentConfig is what an experiment runs by. versions are what its arms serve.
func experimentConfig(x *v1alpha1.Experiment, versions map[string]string) experiment.Config {
	e := experiment.Config{
		Confidence: float64(*x.Confidence), MinDuration: x.MinDuration.Duration, MaxDuration: x.MaxDuration.Duration,
		Thompson: x.Allocation == "Thompson", Promote: x.Then == "Promote",
		Goal: experiment.Goal{Kind: analysis.Outcome, MinEffect: *x.Goal.MinEffect},
	}
	if e.Thompson {
		e.Floor, e.Every = float64(*x.Floor), x.AllocateEvery.Duration
	}
	if m := x.Goal.Mean; m != nil {
		e.Goal.Kind, e.Goal.Lower, e.Goal.Upper, e.Goal.Binary = analysis.Mean, m.Bounds[0], m.Bounds[1], m.Of == "conversion"
	}
	for _, a := range x.Arms {
		e.Arms = append(e.Arms, experiment.Arm{Name: a.Name, Version: versions[a.Name], Weight: *a.Weight, Always: matches(a.Always)})
	}
	return e
}

// goalMetric says what the source is to count for a goal.
func goalMetric(g v1alpha1.Goal) metric.Metric {
	out := metric.Metric{Name: experiment.GoalMetric, Kind: analysis.Outcome, Maturity: goalMaturity(g), Everyone: true}
	if o := g.Outcome; o != nil {
		out.Negative = o.Missing == "negative"
		return out
	}
	out.Kind, out.Of, out.Value, out.Negative = analysis.Mean, g.Mean.Of, g.Mean.Of == "feedback", g.Mean.Missing == "zero"
	out.Event = g.Mean.Event
	return out
}

// goalMaturity is the age at which predictions count towards a goal, 0 if nothing
// is waited for.
func goalMaturity(g v1alpha1.Goal) time.Duration {
	switch {
	case g.Outcome != nil:
		return g.Outcome.Maturity.Duration
	case g.Mean.Maturity != nil:
		return g.Mean.Maturity.Duration
	}
	return 0
}

// numArms is how many arms a file has.
func numArms(m *v1alpha1.ModelRollout) int {
	if x := m.Spec.Strategy.Experiment; x != nil {
		return len(x.Arms)
	}
	return traffic.NumArms
}

// variants are the arms of a plan beside stable and canary.
func variants(p rollout.Plan) []experiment.Arm {
	if p.Experiment == nil {
		return nil
	}
	return p.Experiment.Arms[traffic.NumArms:]
}
