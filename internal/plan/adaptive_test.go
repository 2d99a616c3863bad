package plan

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestBestIsThatOfDraws compares the quadrature with draws.
func TestBestIsThatOfDraws(t *testing.T) {
	for _, of := range [][]normals{
		{{.4, .05}, {.45, .05}, {.4, .1}},
		{{.03, .001}, {.03, .001}},
		{{.1, .001}, {.2, .001}},
		{{.5, .01}, {.49, .03}, {.51, .03}, {.5, .02}, {.48, .05}},
	} {
		r := rand.New(rand.NewPCG(5, 5))
		const n = 50_000
		won := make([]float64, len(of))
		for range n {
			top, at := math.Inf(-1), 0
			for i, p := range of {
				if x := p.mean + p.sd*r.NormFloat64(); x > top {
					top, at = x, i
				}
			}
			won[at]++
		}
		for i, p := range best(of) {
			if math.Abs(p-won[i]/n) > .012 {
				t.Errorf("%v: arm %d is the best with probability %.3f, of draws %.3f", of, i, p, won[i]/n)
			}
		}
	}
}

func TestNearNormal(t *testing.T) {
	for z := -7.; z < 7; z += .0137 {
		if d := math.Abs(nearNormal(z) - normal(z)); d > 1e-5 {
			t.Fatalf("Φ(%v) is off by %v", z, d)
		}
	}
}

// TestThompsonForecasts: the better arm gets more than it was given, and to be sure
// of it takes longer; weights wait for the metrics.
func TestThompsonForecasts(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := comparing(converted, 40, 30, 30)
	base := reaching(5, Habit{Mean: .03})
	of := func() *Experiment {
		t.Helper()
		r, err := ForecastExperiment(p, base)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	fixed := of()
	p.Experiment.Thompson, p.Experiment.Floor, p.Experiment.Every = true, .1, 10*time.Minute
	r := of()
	if a, b := fixed.Outcomes[3], r.Outcomes[3]; a.Best != "canary" || b.Effect != a.Effect || b.Traffic < .4 || a.Traffic != 0 || b.Takes.Most <= a.Takes.Most {
		t.Errorf("fixed %+v, following the evidence %+v", a, b)
	}
	if r.trial.safe <= r.plan.Analysis.Warmup.Seconds() {
		t.Errorf("every treatment has passed after %v s", r.trial.safe)
	}
	var b strings.Builder
	if err := r.Text(&b); err != nil || !strings.Contains(b.String(), "TIME IS UP  TRAFFIC TO IT") || len(r.Warnings) > 0 {
		t.Errorf("%v, %v\n%s", err, r.Warnings, b.String())
	}
	delete(base.Habits, "errors")
	if r = of(); len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "once every treatment has passed the metrics") {
		t.Errorf("%v", r.Warnings)
	}
}
