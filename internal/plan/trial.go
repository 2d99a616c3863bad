package plan

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// trial is an experiment as its forecast sees it.
type trial struct {
	c       experiment.Config
	habit   Habit
	perSec  []float64 // values of the goal a second, by arm
	block   float64   // seconds between two looks
	temper  bool
	spread  float64 // the dispersion that there is
	sticky  bool    // users stay on their arm
	horizon float64 // seconds after which it is over
	later   float64 // seconds after its prediction that a value counts
	safe    float64 // seconds after which every treatment has passed the metrics
}

// newTrial returns the experiment of a plan under a baseline, which holds what the
// control does under the name of the goal.
func newTrial(p rollout.Plan, b Baseline) (*trial, error) {
	c := *p.Experiment
	h, ok := b.Habits[experiment.GoalMetric]
	if !ok {
		return nil, fmt.Errorf("there is no baseline for the goal of %s: say what %s does today", p.Name, c.Arms[0].Name)
	}
	if c.Goal.Binary {
		h.Binary = true
	}
	m := analysis.Metric{Name: experiment.GoalMetric, Kind: c.Goal.Kind, Lower: c.Goal.Lower, Upper: c.Goal.Upper}
	if err := h.check(m); err != nil {
		return nil, err
	}
	t := &trial{
		c: c, habit: h, block: math.Max(p.Analysis.Interval.Seconds(), 1e-3), temper: p.Analysis.Dispersion,
		spread: math.Max(1, b.Dispersion), sticky: p.Analysis.Sticky, horizon: c.MaxDuration.Seconds(),
		later: math.Max(0, (c.Goal.After - p.Analysis.Warmup).Seconds()), safe: p.Analysis.Warmup.Seconds(),
	}
	if t.horizon <= 0 {
		t.horizon = forever.Seconds()
	}
	for _, a := range c.Arms {
		t.perSec = append(t.perSec, b.RPS*h.perRequest()*float64(a.Weight)/traffic.NumSlots)
	}
	return t, nil
}

// span is the width of the goal's range, and share whether its values are hits.
func (t *trial) span() float64 {
	if t.c.Goal.Kind == analysis.Outcome {
		return 1
	}
	return t.c.Goal.Upper - t.c.Goal.Lower
}

func (t *trial) share() bool { return t.c.Goal.Kind == analysis.Outcome || t.c.Goal.Binary }

// level is the control's mean on [0,1], where more is better.
func (t *trial) level() float64 {
	if t.c.Goal.Kind == analysis.Outcome {
		return 1 - t.habit.Rate
	}
	return (t.habit.Mean - t.c.Goal.Lower) / t.span()
}

// means are the arms' on [0,1], each as much better than the control as its effect
// says, in units of the goal.
func (t *trial) means(effects []float64) []float64 {
	out := make([]float64, len(effects))
	for arm, e := range effects {
		out[arm] = math.Min(math.Max(t.level()+e/t.span(), bestRate), 1-bestRate)
	}
	return out
}

// variance is that of one value on [0,1] of an arm with this mean.
func (t *trial) variance(mean float64) float64 {
	if t.share() {
		return variance(mean)
	}
	sd := t.habit.SD / t.span()
	return sd * sd
}

// room is the largest effect that the goal's range leaves room for.
func (t *trial) room() float64 { return .999 * (1 - t.level()) * t.span() }

// bet is one bet of an interval as a random walk: against a difference of δ its log
// evidence drifts by drift − δ·stake a second, and moves by slope with each value
// that the sum of an arm, the first or the second, is beyond what is expected.
type bet struct {
	drift, stake float64
	slope        [2]float64
}

// duel is the interval of two arms: the bets that the second is better, and that
// the first is.
type duel struct{ above, below [stats.Coarse]bet }

// many are the values of all arms together that stand for what is expected: so many
// that they are whole for each of them.
const many = 1e9

// duels returns every pair of arms, as experiment.State has them, when each of them
// does as its mean says. They are what experiment.Step makes of a block of values,
// and of one in which an arm has a few more; log evidence is linear in them.
func (t *trial) duels(means []float64) []duel {
	c := t.c
	c.Thompson, c.Goal.After = false, 0
	all := 0.0
	for _, n := range t.perSec {
		all += n
	}
	seconds := many / all
	before := experiment.Step(c, analysis.Config{}, experiment.State{}, t.values(1, means, seconds, -1, 0), analysis.Verdict{})
	bets := func(arm int, more float64) []duel {
		after := experiment.Step(c, analysis.Config{}, before, t.values(2, means, seconds, arm, more), analysis.Verdict{})
		out := make([]duel, len(after.Pairs))
		for p := range out {
			above, below := after.Pairs[p].Sequence.Lines()
			was, wasBelow := before.Pairs[p].Sequence.Lines()
			for i := range above {
				out[p].above[i] = bet{drift: above[i].Log - was[i].Log, stake: above[i].Stake - was[i].Stake}
				out[p].below[i] = bet{drift: below[i].Log - wasBelow[i].Log, stake: below[i].Stake - wasBelow[i].Stake}
			}
		}
		return out
	}
	out := bets(-1, 0)
	for arm := range means {
		more := math.Round(t.perSec[arm] * seconds / 1000)
		for p, d := range bets(arm, more) {
			first, second := armsOf(p)
			if arm != first && arm != second {
				continue
			}
			k := 0
			if arm == second {
				k = 1
			}
			for i := range d.above {
				out[p].above[i].slope[k] = (d.above[i].drift - out[p].above[i].drift) / more
				out[p].below[i].slope[k] = (d.below[i].drift - out[p].below[i].drift) / more
			}
		}
	}
	for p := range out {
		for i := range out[p].above {
			for _, b := range []*bet{&out[p].above[i], &out[p].below[i]} {
				b.drift, b.stake = b.drift/seconds, b.stake/seconds
			}
		}
	}
	return out
}

// armsOf returns the arms of a pair as experiment.State orders them: (0,1), (0,2),
// (1,2), (0,3) and so on.
func armsOf(pair int) (first, second int) {
	for second = 1; pair >= second; second++ {
		pair -= second
	}
	return pair, second
}

// pairOf is where the pair of two arms is, the first before the second.
func pairOf(first, second int) int { return second*(second-1)/2 + first }

// values is a block in which each arm has the values to be expected of so many
// seconds, and one of them so much more in their sum.
func (t *trial) values(block int64, means []float64, seconds float64, arm int, more float64) analysis.Sample {
	counts := make([]analysis.Counts, len(means))
	for i, mean := range means {
		n := math.Round(t.perSec[i] * seconds)
		sum := n * mean
		square := n * (mean*mean + t.variance(mean))
		if i == arm {
			sum += more
			square += 2 * mean * more // a value more or less moves its square too
		}
		c := &counts[i]
		c.N = int64(n)
		switch {
		case t.c.Goal.Kind == analysis.Outcome:
			c.K = int64(math.Round(n - sum))
		case t.share():
			c.Sum, c.SumSq = sum, sum
		default:
			low, span := t.c.Goal.Lower, t.span()
			c.Sum, c.SumSq = n*low+span*sum, n*low*low+2*low*span*sum+span*span*square
		}
	}
	x := analysis.Sample{Block: block, Metrics: map[string]analysis.Measure{
		experiment.GoalMetric: {Stable: counts[0], Canary: counts[1]},
	}}
	for _, c := range counts[2:] {
		x.Variants = append(x.Variants, analysis.Variant{Metrics: map[string]analysis.Measure{experiment.GoalMetric: {Canary: c}}})
	}
	return x
}

// need is the log evidence at which an end of an interval has come to a difference.
// Where users stay on their arm half of the error is theirs.
func (t *trial) need() float64 { return math.Log(2 / (t.alpha() * t.own())) }

// alpha is the error of one interval.
func (t *trial) alpha() float64 {
	n := len(t.c.Arms)
	return (1 - t.c.Confidence) / float64(n*(n-1)/2)
}

func (t *trial) own() float64 {
	if t.sticky {
		return .5
	}
	return 1
}

// phi returns what evidence of so many seconds is divided by on average, for pairs
// whose first arm is this.
func (t *trial) phi(arm int, mean, seconds float64) float64 {
	k := pace{block: t.block, temper: t.temper, fresh: true, spread: t.spread}
	k.stretch = math.Max(k.block, hitsPerStretch/(math.Max(t.perSec[arm], bestRate)*math.Min(math.Max(t.variance(mean), bestRate), .25)))
	if t.temper && seconds < k.hold() {
		return unknownDispersion
	}
	return k.phi(seconds)
}

// unknownDispersion is what evidence is divided by while it is held back.
const unknownDispersion = 16
