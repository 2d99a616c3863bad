package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// The goals of the tests.
var (
	rightly   = experiment.Goal{Kind: analysis.Outcome, MinEffect: .02}
	converted = experiment.Goal{Kind: analysis.Mean, Upper: 1, Binary: true, MinEffect: .01}
	scored    = experiment.Goal{Kind: analysis.Mean, Lower: -1, Upper: 3, MinEffect: .05}
)

// comparing is a plan of arms with these weights.
func comparing(g experiment.Goal, weights ...int) rollout.Plan {
	p := planOf([]float64{float64(weights[1])}, errorRate)
	p.Analysis.Interval = time.Minute
	p.MaxDuration = 0
	c := experiment.Config{Goal: g, Confidence: .95, MaxDuration: 24 * time.Hour}
	for i, w := range weights {
		name := fmt.Sprintf("v%d", i)
		switch i {
		case 0:
			name = "stable"
		case 1:
			name = "canary"
		}
		c.Arms = append(c.Arms, experiment.Arm{Name: name, Version: name, Weight: w})
	}
	p.Experiment = &c
	return p
}

// reaching is a baseline in which the control does so well.
func reaching(rps float64, h Habit) Baseline {
	b := habits()
	b.RPS = rps
	b.Habits[experiment.GoalMetric] = h
	return b
}

// contest is an experiment that a forecast is compared with.
type contest struct {
	plan    rollout.Plan
	base    Baseline
	effects []float64
	sticky  bool
	fast    bool // quick to simulate
}

func contests() map[string]contest {
	later := scored
	later.After = 2 * time.Hour
	atLeast := comparing(converted, 50, 50)
	atLeast.Experiment.MinDuration = 10 * time.Hour
	following := func(p rollout.Plan) rollout.Plan {
		p.Experiment.Thompson, p.Experiment.Floor, p.Experiment.Every = true, .1, 10*time.Minute
		return p
	}
	return map[string]contest{
		"two arms, Thompson":                  {plan: following(comparing(rightly, 50, 50)), base: reaching(.5, Habit{Rate: .3}), effects: []float64{0, .06}, fast: true},
		"three arms, Thompson":                {plan: following(comparing(converted, 40, 30, 30)), base: reaching(1, Habit{Mean: .03}), effects: []float64{0, 0, .02}},
		"three arms, Thompson, that are late": {plan: following(comparing(later, 40, 30, 30)), base: reaching(.3, Habit{Mean: .5, SD: .8}), effects: []float64{0, .1, 0}},
		"three arms alike, Thompson":          {plan: following(comparing(converted, 34, 33, 33)), base: reaching(3, Habit{Mean: .03}), effects: []float64{0, 0, 0}},
		"users who stay, Thompson":            {plan: following(comparing(converted, 40, 30, 30)), base: reaching(1, Habit{Mean: .03}), effects: []float64{0, 0, .03}, sticky: true},
		"two arms, labels":                    {plan: comparing(rightly, 50, 50), base: reaching(.5, Habit{Rate: .3}), effects: []float64{0, .04}, fast: true},
		"two arms, little better":             {plan: comparing(rightly, 50, 50), base: reaching(.5, Habit{Rate: .3}), effects: []float64{0, .02}},
		"two arms, worse":                     {plan: comparing(rightly, 50, 50), base: reaching(2, Habit{Rate: .3}), effects: []float64{0, -.01}},
		"three arms, sales":                   {plan: comparing(converted, 40, 30, 30), base: reaching(1, Habit{Mean: .03}), effects: []float64{0, 0, .015}, fast: true},
		"three arms, one with a tenth":        {plan: comparing(converted, 60, 30, 10), base: reaching(2, Habit{Mean: .05}), effects: []float64{0, 0, .03}},
		"three arms alike":                    {plan: comparing(converted, 34, 33, 33), base: reaching(3, Habit{Mean: .03}), effects: []float64{0, 0, 0}},
		"eight arms, values that are late":    {plan: comparing(later, 16, 12, 12, 12, 12, 12, 12, 12), base: reaching(1, Habit{Mean: .5, SD: .4}), effects: []float64{0, .1, 0, 0, 0, 0, 0, 0}},
		"ten hours at least":                  {plan: atLeast, base: reaching(1, Habit{Mean: .2}), effects: []float64{0, .04}},
		"users who stay, labels":              {plan: comparing(rightly, 50, 50), base: reaching(.5, Habit{Rate: .3}), effects: []float64{0, .06}, sticky: true, fast: true},
		"users who stay, sales":               {plan: comparing(converted, 40, 30, 30), base: reaching(1, Habit{Mean: .03}), effects: []float64{0, 0, .03}, sticky: true},
	}
}

// TestExperimentForecastsMatchSimulation runs experiment.Step and Judge themselves
// on simulated values, block by block, and compares: how many end by a winner and
// how many for futility, and the median time until then. Shares and medians of so
// few runs are uncertain by a tenth.
func TestExperimentForecastsMatchSimulation(t *testing.T) {
	n := 40
	if testing.Short() {
		n = 15
	}
	for name, c := range contests() {
		if testing.Short() && !c.fast {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.plan.Analysis.Sticky = c.sticky
			trial, err := newTrial(c.plan, c.base)
			if err != nil {
				t.Fatal(err)
			}
			foretold := trial.simulate(c.effects, trial.full())
			real := c.play(trial, n)
			for _, x := range []struct {
				what     string
				got, sim []float64
			}{{"wins", foretold.won, real.won}, {"is futile", foretold.futile, real.futile}} {
				share, want := float64(len(x.got))/float64(foretold.runs), float64(len(x.sim))/float64(n)
				half, median := quantileOf(x.got, .5), quantileOf(x.sim, .5)
				t.Logf("%s: foretold %.2f in %.0f s, simulated %.2f in %.0f s", x.what, share, half, want, median)
				// Three standard errors of the runs, and five points for the forecast.
				if math.Abs(share-want) > .05+3*math.Sqrt(math.Max(want*(1-want), .02)/float64(n)) {
					t.Errorf("%s: foretold %.2f, simulated %.2f", x.what, share, want)
				}
				within := 1.3
				if testing.Short() {
					within = 1.6
				}
				if want > .3 && (half > within*median || half < median/within) {
					t.Errorf("%s: foretold in %.0f s, simulated %.0f s", x.what, half, median)
				}
			}
		})
	}
}

// play simulates n experiments with all that experiment does.
func (c contest) play(t *trial, n int) ends {
	out := ends{runs: n}
	means := t.means(c.effects)
	best := slices.Index(means, slices.Max(means))
	for seed := range n {
		switch f, at := c.once(t, means, rand.New(rand.NewPCG(uint64(seed), 23))); {
		case f.Ending == experiment.Winner && f.Arm == best:
			out.won = append(out.won, at)
		case f.Ending == experiment.Winner:
			out.other++
		case f.Ending == experiment.Futile:
			out.futile = append(out.futile, at)
		}
	}
	slices.Sort(out.won)
	slices.Sort(out.futile)
	return out
}

func (c contest) once(t *trial, means []float64, r *rand.Rand) (experiment.Finding, float64) {
	s := experiment.Begin(t.c)
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var past []string // who had which slot
	for block := int64(1); ; block++ {
		x := analysis.Sample{Block: block, Start: began.Add(time.Duration(block-1) * time.Minute), End: began.Add(time.Duration(block) * time.Minute), Weight: .5, Metrics: map[string]analysis.Measure{}}
		var goal analysis.Measure
		slots := append(past, s.Slots)[len(past)-min(len(past), int(t.later/60))]
		past = append(past, s.Slots)
		for arm, mean := range means {
			counts := c.draw(t, slots, arm, mean, r)
			switch arm {
			case 0:
				goal.Stable = counts
			case 1:
				goal.Canary = counts
			default:
				x.Variants = append(x.Variants, analysis.Variant{Metrics: map[string]analysis.Measure{experiment.GoalMetric: {Canary: counts}}})
			}
		}
		x.Metrics[experiment.GoalMetric] = goal
		s = experiment.Step(t.c, analysis.Config{Dispersion: true}, s, x, analysis.Verdict{Decision: analysis.Pass})
		elapsed := time.Duration(block) * time.Minute
		if f := experiment.Judge(t.c, s, elapsed); f.Ending != "" {
			return f, elapsed.Seconds()
		}
	}
}

// draw is one arm's values of one block, by group if users stay, when slots say who
// has which hundredth of the traffic.
func (c contest) draw(t *trial, slots string, arm int, mean float64, r *rand.Rand) analysis.Counts {
	perBlock := c.base.RPS * c.base.Habits[experiment.GoalMetric].perRequest() * 60
	digit := string(rune('0' + arm))
	if !c.sticky {
		return t.draw(mean, poisson(r, perBlock*float64(strings.Count(slots, digit))/traffic.NumSlots), r)
	}
	var out analysis.Counts
	for g := range traffic.NumSlots {
		var one analysis.Counts
		if slots[g:g+1] == digit {
			one = t.draw(mean, poisson(r, perBlock/traffic.NumSlots), r)
		}
		out.N, out.K, out.Sum, out.SumSq = out.N+one.N, out.K+one.K, out.Sum+one.Sum, out.SumSq+one.SumSq
		out.Groups = append(out.Groups, analysis.Group{N: one.N, K: one.K})
		out.Values = append(out.Values, stats.Moments{N: float64(one.N), Sum: one.Sum, SumSq: one.SumSq})
	}
	return out
}

func (t *trial) draw(mean float64, n int64, r *rand.Rand) analysis.Counts {
	g := t.c.Goal
	switch {
	case g.Kind == analysis.Outcome:
		return analysis.Counts{N: n, K: binomial(r, n, 1-mean)}
	case g.Binary:
		k := float64(binomial(r, n, mean))
		return analysis.Counts{N: n, Sum: k, SumSq: k}
	}
	c := analysis.Counts{N: n}
	for range n {
		x := min(g.Upper, max(g.Lower, g.Lower+mean*t.span()+t.habit.SD*r.NormFloat64()))
		c.Sum += x
		c.SumSq += x * x
	}
	return c
}

// TestDuelsAreTheSequences: what the walks of a pair expect after a time is what
// its sequence makes of the values to be expected.
func TestDuelsAreTheSequences(t *testing.T) {
	for name, g := range map[string]struct {
		experiment.Goal
		Habit
	}{"labels": {rightly, Habit{Rate: .3}}, "sales": {converted, Habit{Mean: .05}}, "values": {scored, Habit{Mean: .5, SD: .4}}} {
		tr, err := newTrial(comparing(g.Goal, 50, 30, 20), reaching(10, g.Habit))
		if err != nil {
			t.Fatal(err)
		}
		means := tr.means([]float64{0, .01, .02})
		duels := tr.duels(means)
		for p, d := range duels {
			first, second := armsOf(p)
			if pairOf(first, second) != p {
				t.Errorf("pair %d is of %d and %d, which is pair %d", p, first, second, pairOf(first, second))
			}
			s := stats.NewSequence(stats.Coarse)
			arm := func(i int, more float64) stats.Arm {
				n := 1e5 * tr.perSec[i]
				if tr.share() {
					return stats.Share(stats.Count{N: n, K: n*means[i] + more}, means[i])
				}
				past := stats.Moments{N: 1e9, Sum: 1e9 * means[i], SumSq: 1e9 * (means[i]*means[i] + tr.variance(means[i]))}
				m := past.Times(n / 1e9)
				m.Sum, m.SumSq = m.Sum+more, m.SumSq+2*means[i]*more
				return stats.Values(m, past)
			}
			s.Advance(arm(first, 30), arm(second, -50), stats.Temper{Phi: 1})
			above, below := s.Lines()
			for i := range above {
				for _, side := range []struct {
					b    bet
					want stats.Line
				}{{d.above[i], above[i]}, {d.below[i], below[i]}} {
					got := side.b.drift*1e5 + 30*side.b.slope[0] - 50*side.b.slope[1]
					if math.Abs(got-side.want.Log) > 1e-3*(1+math.Abs(side.want.Log)) || math.Abs(side.b.stake*1e5/side.want.Stake-1) > 1e-3 {
						t.Errorf("%s, pair %d, bet %d: %v and %v, want %+v", name, p, i, got, side.b.stake*1e5, side.want)
					}
				}
			}
		}
	}
}

// TestExperimentOutcomes: probabilities are whole, more of everything decides
// sooner, and the sizes that are named win as often as it says.
func TestExperimentOutcomes(t *testing.T) {
	of := func(p rollout.Plan, rps float64) *Experiment {
		t.Helper()
		r, err := ForecastExperiment(p, reaching(rps, Habit{Mean: .03}))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	p := comparing(converted, 40, 30, 30)
	r := of(p, 2)
	for _, o := range r.Outcomes {
		if sum := o.Wins + o.Other + o.Futile + o.OutOfTime; math.Abs(sum-1) > 1e-9 {
			t.Errorf("%+v sums to %v", o, sum)
		}
		if o.Best == "" && o.Other > .05 {
			t.Errorf("arms that are alike have a winner with %v", o.Other)
		}
	}
	if r.Outcomes[0].Best != "stable" || r.Outcomes[1].Best != "" || r.Outcomes[2].Best != "canary" {
		t.Errorf("%+v", r.Outcomes)
	}
	for i := 3; i < len(r.Outcomes); i++ {
		if a, b := r.Outcomes[i-1], r.Outcomes[i]; b.Wins < a.Wins || b.Takes.Half > a.Takes.Half && a.Wins > .5 {
			t.Errorf("%+v wins later or less than %+v", b, a)
		}
	}
	if r.Four.Value >= r.Most.Value || math.Abs(r.Four.Probability-.8) > .06 || math.Abs(r.Most.Probability-.95) > .04 {
		t.Errorf("%+v and %+v", r.Four, r.Most)
	}
	if faster := of(p, 8); faster.Four.Value > 1.02*r.Four.Value || faster.Outcomes[4].Takes.Half >= r.Outcomes[4].Takes.Half {
		t.Errorf("with four times the traffic %s is found, with one %s", faster.Four.Size, r.Four.Size)
	}
	if testing.Short() {
		return
	}
	if more := of(comparing(converted, 13, 13, 13, 13, 12, 12, 12, 12), 2); more.Four.Value <= r.Four.Value {
		t.Errorf("of eight arms %s is found, of three %s", more.Four.Size, r.Four.Size)
	}
	if again := of(p, 2); again.Four != r.Four {
		t.Errorf("the same again is %+v, was %+v", again.Four, r.Four)
	}
}

// TestExperimentAdvice: what cannot be found in time is refused, and each piece of
// advice would do.
func TestExperimentAdvice(t *testing.T) {
	p := comparing(rightly, 70, 10, 10, 10)
	base := reaching(.4, Habit{Rate: .3})
	r, err := ForecastExperiment(p, base)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "better than each other one by 2pp (minEffect) wins within 24 h (maxDuration) with a probability of ") {
		t.Fatalf("problems %+v", r.Problems)
	}
	for _, knob := range r.Problems[0].Knobs {
		q := p
		c := *p.Experiment
		q.Experiment = &c
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(knob, "write "), "look for more: "), ": ")
		switch name {
		case "maxDuration":
			if c.MaxDuration, err = time.ParseDuration(value); err != nil {
				t.Fatal(err)
			}
		case "minEffect":
			if _, err := fmt.Sscan(value, &c.Goal.MinEffect); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("an unknown knob: %s", knob)
		}
		if again, err := ForecastExperiment(q, base); err != nil || len(again.Problems) > 0 {
			t.Errorf("%s: %v, %+v", knob, err, again.Problems)
		}
	}
	if len(r.Problems[0].Knobs) != 2 || len(r.Refusals()) != 1 || strings.Contains(r.Refusals()[0], "step") {
		t.Errorf("%v, %q", r.Problems[0].Knobs, r.Refusals())
	}
}

// TestExperimentAdviceOfArmsAndWeights: fewer arms, and equal weights, where either
// would do.
func TestExperimentAdviceOfArmsAndWeights(t *testing.T) {
	of := func(rps float64, weights ...int) string {
		t.Helper()
		r, err := ForecastExperiment(comparing(rightly, weights...), reaching(rps, Habit{Rate: .3}))
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Problems) != 1 {
			t.Fatalf("%+v, %v", r.Outcomes, r.Warnings)
		}
		return strings.Join(r.Problems[0].Knobs, "\n")
	}
	if all := of(1.2, 85, 5, 5, 5); !strings.Contains(all, "compare 3 arms, with equal weights") {
		t.Errorf("%q", all)
	}
	if all := of(.9, 90, 10); !strings.Contains(all, "leave the weights out, so that they are equal") {
		t.Errorf("%q", all)
	}
}

func TestExperimentText(t *testing.T) {
	g := converted
	g.After = 30 * time.Minute
	p := comparing(g, 40, 30, 20, 10)
	p.Analysis.Sticky = true
	p.Experiment.MinDuration = 6 * time.Hour
	p.Analysis.Metrics = append(p.Analysis.Metrics, analysis.Metric{Name: "accuracy", Kind: analysis.Outcome, MaxIncrease: .01})
	p.Name = "recommender"
	r, err := ForecastExperiment(p, reaching(6, Habit{Mean: .03}))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "experiment.txt", b.Bytes())
	b.Reset()
	if err := r.SVG(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "<polyline"); n != 2 {
		t.Errorf("%d curves in\n%s", n, b.String())
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Arms     []struct{ Name string }
		Outcomes []struct{ Wins, Futile, OutOfTime *float64 }
		Wins80   struct{ Wins *float64 }
		Harm     []struct{ Arms []string }
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Arms) != 4 || len(got.Outcomes) < 5 || got.Outcomes[0].OutOfTime == nil || len(got.Harm) != 3 {
		t.Errorf("%s", text)
	}
}

func TestExperimentRefuses(t *testing.T) {
	for want, change := range map[string]func(*rollout.Plan, *Baseline){
		"0 requests a second":             func(_ *rollout.Plan, b *Baseline) { b.RPS = 0 },
		"no baseline for the goal":        func(_ *rollout.Plan, b *Baseline) { delete(b.Habits, experiment.GoalMetric) },
		"a mean of 2 ± 0 is outside":      func(_ *rollout.Plan, b *Baseline) { b.Habits[experiment.GoalMetric] = Habit{Mean: 2} },
		"no arm can be better by 1pp":     func(_ *rollout.Plan, b *Baseline) { b.Habits[experiment.GoalMetric] = Habit{Mean: .995} },
		"a share of 1.5 is not between 0": func(_ *rollout.Plan, b *Baseline) { b.Habits["errors"] = Habit{Rate: 1.5} },
	} {
		p, b := comparing(converted, 50, 50), reaching(1, Habit{Mean: .03})
		change(&p, &b)
		if _, err := ForecastExperiment(p, b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestHarmIsEnded: by the metrics, sooner for arms with more traffic.
func TestHarmIsEnded(t *testing.T) {
	r, err := ForecastExperiment(comparing(converted, 40, 30, 20, 10), reaching(20, Habit{Mean: .03}))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Harm) != 3 || r.Harm[0].Arms[0] != "canary" || r.Harm[2].Arms[0] != "v3" {
		t.Fatalf("%+v", r.Harm)
	}
	for i, h := range r.Harm {
		if h.Four.Size == "" || h.Most.Value <= h.Four.Value || h.Soon.Value <= h.Most.Value || float64(h.Soon.Fails) > 3600 || i > 0 && h.Most.Value <= r.Harm[i-1].Most.Value {
			t.Errorf("%+v after %+v", h, r.Harm[max(0, i-1)])
		}
	}
	r, err = ForecastExperiment(comparing(converted, 34, 33, 33), reaching(20, Habit{Mean: .03}))
	if err != nil || len(r.Harm) != 1 || len(r.Harm[0].Arms) != 2 {
		t.Errorf("equal weights: %v, %+v", err, r.Harm)
	}
}
