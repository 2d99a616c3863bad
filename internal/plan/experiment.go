package plan

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Experiment is what an experiment can be expected to do. Times are in seconds
// since its traffic began to flow; one that is not expected is null in JSON.
type Experiment struct {
	Rollout     string    `json:"rollout"`
	RPS         float64   `json:"rps"`
	Arms        []Arm     `json:"arms"`
	Unit        string    `json:"unit"`      // of the goal: "share" or "value"
	Goal        float64   `json:"goal"`      // what the control reaches
	MinEffect   float64   `json:"minEffect"` // in units of the goal, as all effects are
	Confidence  float64   `json:"confidence"`
	MinDuration float64   `json:"minDuration"`
	MaxDuration float64   `json:"maxDuration"`
	Counts      float64   `json:"counts"`   // when the first values are evidence
	Outcomes    []Outcome `json:"outcomes"` // by how much better an arm is
	Four        Found     `json:"wins80"`   // the smallest effect that wins with 80% probability
	Most        Found     `json:"wins95"`   // and with 95%
	Power       []Ending  `json:"power"`    // how it ends by how much better an arm is
	Harm        []Harm    `json:"harm,omitempty"`
	Problems    []Problem `json:"problems,omitempty"`
	Warnings    []string  `json:"warnings,omitempty"`
	Unforeseen  []string  `json:"unforeseen,omitempty"` // metrics without a baseline
	trial       *trial
	plan        rollout.Plan
	base        Baseline
}

// Arm is one arm and what it gets.
type Arm struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"` // percent of random traffic
	Values float64 `json:"values"` // of the goal, a second
}

// Outcome is how an experiment ends in which one arm is better than all others,
// which are alike. The probabilities sum to 1.
type Outcome struct {
	Best      string  `json:"best,omitempty"` // "" if all are alike
	Effect    float64 `json:"effect"`         // of it over each other arm
	Size      string  `json:"size"`           // in words
	Wins      float64 `json:"wins"`           // probability that it wins
	Takes     Times   `json:"takes"`          // how long that takes, of those that it wins
	Other     float64 `json:"other"`          // that another arm is named the winner
	Futile    float64 `json:"futile"`         // that it ends for futility
	GivesUp   Times   `json:"givesUp"`        // how long that takes, of those that do
	OutOfTime float64 `json:"outOfTime"`      // that its time is over first
	// Traffic is the best arm's share of the values until the end, in [0,1], where
	// weights follow the evidence; 0 else.
	Traffic float64 `json:"traffic,omitempty"`
}

// Found is an effect and how it is found.
type Found struct {
	Size        string  `json:"size"` // in words; "" if no effect wins so surely
	Value       float64 `json:"value"`
	Probability float64 `json:"probability"`
	Wins        Seconds `json:"wins"` // the median time of those that win
}

// Ending is how an experiment ends for one effect of the best treatment.
type Ending struct {
	Effect float64 `json:"effect"`
	Size   string  `json:"size"`
	Wins   float64 `json:"wins"`
	Futile float64 `json:"futile"`
}

// Harm is how treatments that are worse by a metric are closed, those of the same
// weight together.
type Harm struct {
	Arms   []string `json:"arms"`
	Weight float64  `json:"weight"` // percent, of each of them
	Metric string   `json:"metric"`
	Four   Caught   `json:"caught80"`   // the smallest regression caught with 80% probability
	Most   Caught   `json:"caught95"`   // and with 95%
	Soon   Caught   `json:"caughtSoon"` // the smallest caught with 95% within an hour
}

// full is how many experiments are simulated for what is printed, quick for what
// leads there: probabilities are known to within about 3 and 7 points. Weights that
// follow the evidence take longer to simulate.
func (t *trial) full() int {
	if t.c.Thompson {
		return 300
	}
	return 1000
}

func (t *trial) quick() int {
	if t.c.Thompson {
		return 100
	}
	return 200
}

// multiples are the effects that are looked at, in minimal effects.
var multiples = []float64{.5, 1, 2, 4, 8}

// ForecastExperiment foretells an experiment. The baseline of its goal is that of
// the metric experiment.GoalMetric. The error says which part of the baseline
// cannot be; what cannot be decided in time is no error, but in Problems.
func ForecastExperiment(p rollout.Plan, b Baseline) (*Experiment, error) {
	if err := b.checkRPS(); err != nil {
		return nil, err
	}
	t, err := newTrial(p, b)
	if err != nil {
		return nil, err
	}
	r := &Experiment{
		Rollout: string(p.Name), RPS: b.RPS, Unit: "value", MinEffect: t.c.Goal.MinEffect, Confidence: t.c.Confidence,
		Goal: t.c.Goal.Lower + t.level()*t.span(), MinDuration: t.c.MinDuration.Seconds(), MaxDuration: t.horizon,
		Counts: t.c.Goal.After.Seconds(), trial: t, plan: p, base: b,
	}
	if t.share() {
		r.Unit, r.Goal = "share", t.level()
	}
	for arm, a := range t.c.Arms {
		r.Arms = append(r.Arms, Arm{a.Name, float64(a.Weight), t.perSec[arm]})
	}
	if t.room() < t.c.Goal.MinEffect {
		return nil, fmt.Errorf("the goal of %s reaches %s, and no arm can be better by %s (minEffect)", t.c.Arms[0].Name, t.amount(r.Goal), t.amount(t.c.Goal.MinEffect))
	}
	if err := r.harm(); err != nil {
		return nil, err
	}
	r.outcomes()
	r.smallest()
	r.power()
	r.advise()
	return r, nil
}

// outcomes foretells the control and a treatment as the best arm.
func (r *Experiment) outcomes() {
	t, e := r.trial, r.MinEffect
	all := make([]float64, len(t.c.Arms))
	for arm := 1; arm < len(all); arm++ {
		all[arm] = -e
	}
	if t.level()*t.span() > e {
		r.Outcomes = append(r.Outcomes, t.outcome(0, e, all))
	}
	r.Outcomes = append(r.Outcomes, t.outcome(-1, 0, make([]float64, len(t.c.Arms))))
	for _, f := range multiples {
		if f*e <= t.room() {
			r.Outcomes = append(r.Outcomes, t.outcome(t.slowest(), f*e, t.better(f*e)))
		}
		if f > 1 && r.Outcomes[len(r.Outcomes)-1].Wins > .995 {
			return
		}
	}
}

// slowest is the treatment that takes longest to win: the first with the least
// traffic.
func (t *trial) slowest() int {
	out := 1
	for arm := 2; arm < len(t.perSec); arm++ {
		if t.perSec[arm] < t.perSec[out] {
			out = arm
		}
	}
	return out
}

// better are the effects by arm if one treatment is better than all others.
func (t *trial) better(effect float64) []float64 {
	out := make([]float64, len(t.perSec))
	out[t.slowest()] = effect
	return out
}

func (t *trial) outcome(best int, effect float64, effects []float64) Outcome {
	s := t.simulate(effects, t.full())
	out := Outcome{Effect: effect, Size: "nothing"}
	if best < 0 { // of equal arms any winner is a wrong one
		s.won, s.other = nil, s.other+len(s.won)
	} else {
		out.Best, out.Size, out.Traffic = t.c.Arms[best].Name, t.amount(effect), s.traffic
	}
	out.Wins, out.Other, out.Futile = s.wins(), s.part(s.other), s.part(len(s.futile))
	out.Takes, out.GivesUp = timesOf(s.won), timesOf(s.futile)
	out.OutOfTime = s.part(s.runs - len(s.won) - s.other - len(s.futile))
	return out
}

func (e ends) wins() float64 { return e.part(len(e.won)) }

func (e ends) part(n int) float64 { return float64(n) / float64(e.runs) }

// timesOf sums up sorted times; without any they never come.
func timesOf(sorted []float64) Times {
	return Times{Seconds(quantileOf(sorted, .5)), Seconds(quantileOf(sorted, .9))}
}

func quantileOf(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.Inf(1)
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// smallest looks for the smallest effects that win with a probability of 80 and 95%.
func (r *Experiment) smallest() {
	r.Four, r.Most = r.found(.8), r.found(.95)
}

func (r *Experiment) found(q float64) Found {
	t := r.trial
	wins := func(effect float64, runs int) bool { return t.simulate(t.better(effect), runs).wins() >= q }
	lo, hi := 0.0, t.room()
	if !wins(hi, t.quick()) {
		return Found{Wins: Seconds(math.Inf(1))}
	}
	for hi-lo > .1*hi {
		mid := (lo + hi) / 2
		if lo == 0 && hi > r.MinEffect/16 { // it is likely to be far below what there is room for
			mid = hi / 4
		}
		if wins(mid, t.quick()) {
			hi = mid
		} else {
			lo = mid
		}
	}
	// More runs, somewhat further around.
	for lo, hi = .9*lo, math.Min(1.1*hi, t.room()); hi-lo > .01*hi; {
		if mid := (lo + hi) / 2; wins(mid, t.full()) {
			hi = mid
		} else {
			lo = mid
		}
	}
	s := t.simulate(t.better(hi), t.full())
	return Found{t.amount(hi), hi, s.wins(), timesOf(s.won).Half}
}

// power draws how it ends against the effect of the best treatment, up to one that
// wins all but surely.
func (r *Experiment) power() {
	t := r.trial
	widest := math.Min(t.room(), math.Max(1.3*r.Most.Value, 2*r.MinEffect))
	if r.Most.Size == "" {
		widest = t.room()
	}
	for i := range endings {
		effect := widest * float64(i) / (endings - 1)
		s := t.simulate(t.better(effect), t.quick())
		e := Ending{Effect: effect, Size: t.amount(effect), Wins: s.wins(), Futile: s.part(len(s.futile))}
		if i == 0 {
			e.Wins, e.Size = 0, "nothing"
		}
		r.Power = append(r.Power, e)
	}
}

// endings is how many effects are drawn.
const endings = 21

// amount writes a difference in the goal's unit.
func (t *trial) amount(x float64) string {
	if t.share() {
		return number(100*x, 3) + "pp"
	}
	return number(x, 3)
}

// harm foretells how long a treatment that is worse by an ordinary metric keeps its
// traffic. It is judged for as long as the experiment lasts: passing ends nothing.
func (r *Experiment) harm() error {
	s := &settings{
		plan: r.plan, base: r.base, bounds: bounds(r.plan.Analysis),
		warmup: r.plan.Analysis.Warmup.Seconds(), horizon: r.trial.horizon,
	}
	models, unforeseen, err := modelsOf(r.plan.Analysis.Metrics, r.base.Habits)
	if err != nil {
		return err
	}
	r.Unforeseen = unforeseen
	at := stageOf(r.plan, 0)
	at.begins, at.first, at.horizon = s.warmup, true, s.horizon-s.warmup
	at.control = float64(r.trial.c.Arms[0].Weight) / traffic.NumSlots
	safe := certain(at.horizon)
	var weights []int
	named := map[int][]string{}
	for _, a := range r.trial.c.Arms[1:] {
		if named[a.Weight] == nil {
			weights = append(weights, a.Weight)
		}
		named[a.Weight] = append(named[a.Weight], a.Name)
	}
	for _, w := range weights {
		at.weight = float64(w) / traffic.NumSlots
		for _, m := range models {
			if !m.compared(at) || at.horizon <= 0 {
				continue
			}
			if m.gates(at) {
				safe = safe.and(s.passes(m, 0, at))
			}
			soon := at
			soon.horizon = math.Min(at.horizon, 3600)
			within := func(at stage) func(float64) curve {
				return func(size float64) curve { return s.fails(m, size, at) }
			}
			r.Harm = append(r.Harm, Harm{
				named[w], float64(w), m.metric.Name,
				m.smallest(.8, within(at)), m.smallest(.95, within(at)), m.smallest(.95, within(soon)),
			})
		}
	}
	r.trial.safe = s.warmup + safe.quantile(.5)
	return nil
}
