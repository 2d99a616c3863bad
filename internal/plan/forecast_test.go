package plan

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// sizeOf returns the size at which a model has a value.
func sizeOf(m model, value float64) float64 {
	rising := m.value(1) > m.value(0)
	lo, hi := 0., 1.
	for range 60 {
		if mid := (lo + hi) / 2; (m.value(mid) < value) == rising {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// scene is a world that a forecast is compared with.
type scene struct {
	metric   analysis.Metric
	weight   float64 // percent
	rps      float64
	bad      float64 // the value of a canary that is worse
	rate     float64 // of errors, 0 for the baseline's
	fast     bool    // quick to simulate
	worse    draw
	expected world
}

func scenes() map[string]scene {
	latencies, classes := analysis.Measure{Edges: edges()}, analysis.Measure{Bins: []string{"a", "b", "c"}}
	return map[string]scene{
		"errors doubled":            {errorRate, 5, 100, .02, 0, true, hitting(.02), world{stable: hitting(.01)}},
		"errors five times":         {errorRate, 5, 100, .05, 0, true, hitting(.05), world{stable: hitting(.01)}},
		"many errors, little more":  {errorRate, 50, 10, .075, .05, true, hitting(.075), world{stable: hitting(.05)}},
		"rare errors, little load":  {errorRate, 25, 20, .005, .001, true, hitting(.005), world{stable: hitting(.001)}},
		"a fifth slower":            {slower, 5, 100, .2, 0, false, slowed(1.2), world{stable: slowed(1), shape: latencies}},
		"an eighth slower":          {slower, 5, 100, .12, 0, false, slowed(1.12), world{stable: slowed(1), shape: latencies}},
		"a tenth of other answers":  {answers, 5, 100, .109, 0, false, choosing(.491, .3, .209), world{stable: choosing(.6, .3, .1), shape: classes}},
		"a fifth of a sd less":      {confidence, 5, 100, .67, 0, false, scoring(.67, .15), world{stable: scoring(.7, .15)}},
		"pairs that differ too far": {agreement, 100, 10, .03, 0, true, hitting(.03), world{stable: hitting(.008), shadow: true}},
	}
}

// TestForecastsMatchSimulation runs analysis.Step itself on simulated traffic and
// compares: the median time until a worse canary is taken back, and until a
// healthy one passes. Medians of so few runs are uncertain by ten percent and
// more.
func TestForecastsMatchSimulation(t *testing.T) {
	for name, c := range scenes() {
		if testing.Short() && !c.fast {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := habits()
			b.RPS = c.rps
			if c.rate > 0 {
				b.Habits["errors"] = Habit{Rate: c.rate}
			}
			r, m, at := once(t, c.weight, c.metric, b)
			w := c.expected
			w.rps, w.weight, w.block, w.factor, w.canary = c.rps, c.weight/100, 15*time.Second, 1, c.worse
			if w.shadow {
				w.weight = 0
			}
			n := 60
			if c.fast && !testing.Short() {
				n = 150
			}
			size := sizeOf(m, c.bad)
			fails := r.settings.fails(m, size, at).before(r.settings.passes(m, size, at))
			share, median := w.tally(r.settings.plan.Analysis, n, r.MaxDuration, analysis.Fail)
			compare(t, "taken back", fails, share, median-r.Warmup)
			w.canary = w.stable
			share, median = w.tally(r.settings.plan.Analysis, n, r.MaxDuration, analysis.Pass)
			compare(t, "passes", r.settings.passes(m, 0, at), share, median-r.Warmup)
		})
	}
}

// compare fails the test unless a forecast agrees with a simulation in how often
// and when.
func compare(t *testing.T, what string, c curve, share, median float64) {
	t.Helper()
	half := c.quantile(c.end() / 2)
	t.Logf("%s: foretold %.2f in %.0f s, simulated %.2f in %.0f s", what, c.end(), half, share, median)
	if math.Abs(c.end()-share) > .08 || half > 1.3*median+15 || half < median/1.3-15 {
		t.Errorf("%s: foretold %.2f in %.0f s, simulated %.2f in %.0f s", what, c.end(), half, share, median)
	}
}

// TestSmallestRegressionIsCaughtThatOften: the sizes that the report names are
// caught as often as it says, at the last gate and at one with a wider margin.
func TestSmallestRegressionIsCaughtThatOften(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, factor := range []float64{1, 4} {
		p := planOf([]float64{25, 50, 100}, errorRate)
		p.Steps[0].Factor = factor
		if factor == 1 {
			p = planOf([]float64{25, 100}, errorRate)
		}
		p.MaxDuration, p.Analysis.MaxDuration = time.Hour, time.Hour
		r, err := Forecast(p, habits())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []Caught{r.Steps[0].Metrics[0].Four, r.Steps[0].Metrics[0].Most} {
			const n = 150
			w := world{rps: 100, weight: .25, block: 15 * time.Second, factor: factor, stable: hitting(.01), canary: hitting(c.Value)}
			share, median := w.tally(p.Analysis, n, r.MaxDuration, analysis.Fail)
			t.Logf("margin ×%v, %s: foretold %.2f in %s, simulated %.2f in %.0f s", factor, c.Size, c.Probability, c.Fails, share, median-r.Warmup)
			if math.Abs(share-c.Probability) > .13 {
				t.Errorf("margin ×%v, %s: foretold %.2f, simulated %.2f", factor, c.Size, c.Probability, share)
			}
		}
	}
}

func fiftyFifty(metrics ...analysis.Metric) rollout.Plan {
	return planOf([]float64{5, 50, 100}, metrics...)
}

func TestForecastOfALadder(t *testing.T) {
	p := fiftyFifty(errorRate, slower)
	p.Steps = append([]rollout.Step{{Shadow: traffic.Percent(100)}, {Pause: &rollout.Pause{For: 10 * time.Minute}}, {Pause: &rollout.Pause{}}}, p.Steps...)
	p.Analysis.Metrics = append(p.Analysis.Metrics, agreement)
	r, err := Forecast(p, habits())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Steps) != 6 || len(r.Problems) != 0 || len(r.Unforeseen) != 0 {
		t.Fatalf("%d steps, problems %v, unforeseen %v", len(r.Steps), r.Problems, r.Unforeseen)
	}
	shadow, pause, approval, first, last, all := r.Steps[0], r.Steps[1], r.Steps[2], r.Steps[3], r.Steps[4], r.Steps[5]
	if !shadow.Shadow || len(shadow.Metrics) != 1 || shadow.Metrics[0].Name != "agreement" || !shadow.Metrics[0].Gates {
		t.Errorf("the mirror: %+v", shadow)
	}
	if pause.Pause == nil || pause.Pause.Seconds != 600 || !math.IsInf(float64(approval.Pause.Seconds), 1) {
		t.Errorf("pauses: %+v and %+v", pause.Pause, approval.Pause)
	}
	if first.Margin != 4 || first.Last || len(first.Metrics) != 2 || last.Margin != 1 || !last.Last || all.Weight != 100 {
		t.Errorf("weights: %+v, %+v, %+v", first, last, all)
	}
	if got, want := float64(first.Begins), float64(shadow.Begins)+float64(shadow.Passes.Half)+600; math.Abs(got-want) > 1 {
		t.Errorf("5%% begins at %v, want %v", got, want)
	}
	if first.Metrics[0].Four.Value >= first.Metrics[0].Most.Value || last.Metrics[0].Most.Value >= first.Metrics[0].Most.Value {
		t.Errorf("what is caught: %+v and %+v", first.Metrics[0], last.Metrics[0])
	}
	if float64(r.Promotion.Half) < float64(last.Begins) || r.Promotion.Most <= r.Promotion.Half || r.Promotion.InTime < .99 {
		t.Errorf("promotion: %+v after %v", r.Promotion, last.Begins)
	}
}

// TestMoreIsNeverWorse: more traffic, a wider margin and a larger regression are
// each decided sooner.
func TestMoreIsNeverWorse(t *testing.T) {
	at := func(weight, rps float64, m analysis.Metric) *Report {
		b := habits()
		b.RPS = rps
		r, err := Forecast(planOf([]float64{weight, 100}, m), b)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, m := range []analysis.Metric{errorRate, slower, answers, confidence} {
		base := at(5, 100, m)
		wide := widened(m, 2)
		for name, other := range map[string]*Report{"ten times the load": at(5, 1000, m), "half of the traffic": at(50, 100, m), "twice the margin": at(5, 100, wide)} {
			if other.Promotion.Half > base.Promotion.Half {
				t.Errorf("%s, %s: %v, not sooner than %v", m.Name, name, other.Promotion.Half, base.Promotion.Half)
			}
		}
		for _, p := range base.Power {
			for i := 1; i < len(p.Points); i++ {
				if p.Points[i].Probability < p.Points[i-1].Probability-.02 {
					t.Errorf("%s: %s is caught less often than %s", m.Name, p.Points[i].Size, p.Points[i-1].Size)
				}
			}
		}
	}
}

// TestUndecidable: little traffic, and each piece of advice would indeed do.
func TestUndecidable(t *testing.T) {
	b := habits()
	b.RPS = 1
	p := fiftyFifty(errorRate)
	r, err := Forecast(p, b)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 1 || r.Problems[0].Metric != "errors" || r.Promotion.InTime > .5 {
		t.Fatalf("problems %+v, in time %v", r.Problems, r.Promotion.InTime)
	}
	knobs := strings.Join(r.Problems[0].Knobs, "\n")
	for _, want := range []string{"write maxDuration: ", "allow more: maxRatio: "} {
		if !strings.Contains(knobs, want) {
			t.Errorf("knobs %q lack %q", knobs, want)
		}
	}
	_, text, _ := strings.Cut(r.Problems[0].Knobs[0], ": ")
	longer, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	p.MaxDuration, p.Analysis.MaxDuration = longer, longer
	if again, err := Forecast(p, b); err != nil || len(again.Problems) > 0 {
		t.Errorf("with maxDuration %s: %v, %+v", longer, err, again.Problems)
	}
}

func TestAdviceOfMoreTraffic(t *testing.T) {
	b := habits()
	b.RPS = 12
	r, err := Forecast(planOf([]float64{2, 100}, errorRate), b)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 1 || !strings.Contains(strings.Join(r.Problems[0].Knobs, "\n"), "give the canary at least ") {
		t.Errorf("problems %+v", r.Problems)
	}
}

// TestMarginThatNothingMeets: the baseline itself is beyond an absolute limit.
func TestMarginThatNothingMeets(t *testing.T) {
	p := fiftyFifty(errorRate, agreement)
	p.Steps = append([]rollout.Step{{Shadow: traffic.Percent(100)}}, p.Steps...)
	b := habits()
	b.Habits["agreement"] = Habit{Rate: .03}
	r, err := Forecast(p, b)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "agreement cannot be shown to be at most 2%") {
		t.Errorf("problems %+v", r.Problems)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Errorf("a report without an end does not print: %v", err)
	}
}

func TestLateLabels(t *testing.T) {
	m := analysis.Metric{Name: "accuracy", Kind: analysis.Outcome, MaxIncrease: .02, Tolerate: .5}
	b := habits()
	b.Habits["accuracy"] = Habit{Rate: .1, Share: .5, Maturity: 30 * time.Minute}
	r, err := Forecast(fiftyFifty(errorRate, m), b)
	if err != nil {
		t.Fatal(err)
	}
	first, last := r.Steps[0], r.Steps[1]
	if first.Metrics[1].Gates || !last.Metrics[1].Gates {
		t.Errorf("labels gate the last step alone: %+v, %+v", first.Metrics[1], last.Metrics[1])
	}
	if last.Passes.Half < 1800 || last.Metrics[1].Most.Fails < 1800 {
		t.Errorf("before any label is in: %+v", last)
	}
}

func TestForecastRefuses(t *testing.T) {
	for want, change := range map[string]func(*Baseline){
		"0 requests a second":                func(b *Baseline) { b.RPS = 0 },
		"baseline for none of the metrics":   func(b *Baseline) { b.Habits = nil },
		"a share of 1.5 is not between":      func(b *Baseline) { b.Habits["errors"] = Habit{Rate: 1.5} },
		"0 counts for 0 edges":               func(b *Baseline) { b.Habits["latency"] = Habit{} },
		"its p99 lies beyond the last edge":  func(b *Baseline) { b.Habits["latency"] = Habit{Edges: []float64{.1}, Counts: []float64{1, 1}} },
		"the shares of 2 classes sum to 0.9": func(b *Baseline) { b.Habits["answers"] = Habit{Classes: []float64{.5, .4}} },
		"a mean of 2 ± 0.1 is outside":       func(b *Baseline) { b.Habits["confidence"] = Habit{Mean: 2, SD: .1} },
		"-1 trials per request":              func(b *Baseline) { b.Habits["errors"] = Habit{Rate: .01, Share: -1} },
	} {
		b := habits()
		change(&b)
		if _, err := Forecast(fiftyFifty(errorRate, slower, answers, confidence), b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	unknown := fiftyFifty(errorRate)
	unknown.Analysis.Metrics = append(unknown.Analysis.Metrics, analysis.Metric{Name: "x", Kind: "magic"})
	b := habits()
	b.Habits["x"] = Habit{}
	if _, err := Forecast(unknown, b); err == nil || !strings.Contains(err.Error(), "no forecast for metrics of kind magic") {
		t.Errorf("an unknown kind: %v", err)
	}
}

// TestBlueGreen: a preview, a mirror without a baseline and a bake take the time
// that they take at least, and a bake what its evidence takes.
func TestBlueGreen(t *testing.T) {
	p := fiftyFifty(
		analysis.Metric{Name: "errors", Kind: analysis.ErrorRate, MaxRatio: 1.25, MaxIncrease: .001, Tolerate: .5},
		analysis.Metric{Name: "agreement", Kind: analysis.Pairs, Max: .02, Tolerate: 1})
	half := func(holdback float64, bake time.Duration) float64 {
		p.Steps = []rollout.Step{
			{Preview: true, For: time.Minute}, {Preview: true, Shadow: traffic.Full, For: 2 * time.Minute},
			{Weight: traffic.Percent(100 - holdback), For: bake}, {Weight: traffic.Full},
		}
		b := Baseline{RPS: 100, Habits: map[string]Habit{"errors": {Rate: .01}}}
		r, err := Forecast(p, b)
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(r.Steps[2].Begins - r.Steps[0].Begins); got != 180 {
			t.Errorf("the bake begins %v s after the preview, want 180", got)
		}
		return float64(r.Promotion.Half) / 60
	}
	short, long, few, none := half(5, 0), half(5, 2*time.Hour), half(50, 0), half(0, time.Hour)
	if short < 10 || short > 60 || few >= short || long < 123 || none < 63 || none > 70 {
		t.Errorf("promoted after %.0f min, after a bake of two hours %.0f, with half held back %.0f, with nothing %.0f", short, long, few, none)
	}
}
