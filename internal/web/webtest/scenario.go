package webtest

import (
	"math"
	"math/rand/v2"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
)

// Scenario says how two versions of a churn model behave.
type Scenario struct {
	Name   string  // of the rollout
	Seed   uint64  // of everything random
	RPS    float64 // requests a second, both arms
	Stable Arm
	Canary Arm
	Rising bool // the confidence is what must not rise rather than fall
	// Lasting goes on counting after the end, as a process does that stays.
	Lasting bool
	// Variants are further arms, each with as much traffic as the canary.
	Variants []Variant
	// Show makes of the status what else is to be shown; nil changes nothing.
	Show func(*engine.Status)
}

// Variant is a further arm of an experiment.
type Variant struct {
	Name string
	Arm
}

// Arm is how one version behaves.
type Arm struct {
	Version    string
	ErrorRate  float64 // share of failed requests
	Median     float64 // latency, seconds
	Spread     float64 // sigma of the log latency
	Yes        float64 // share of customers predicted to leave
	Confidence float64 // mean
	Accuracy   float64 // share of right predictions
}

// Good is a candidate that is a little better and ends promoted.
func Good() Scenario {
	return Scenario{
		Name: "churn", Seed: 1, RPS: 320,
		Stable: Arm{Version: "v1", ErrorRate: 0.004, Median: 0.0042, Spread: 0.38, Yes: 0.232, Confidence: 0.81, Accuracy: 0.802},
		Canary: Arm{Version: "v2", ErrorRate: 0.003, Median: 0.0041, Spread: 0.36, Yes: 0.241, Confidence: 0.83, Accuracy: 0.821},
	}
}

// Wrong answers 200 OK as quickly as the old one, and is wrong.
func Wrong() Scenario {
	s := Good()
	s.Name, s.Seed = "churn-wrong", 2
	s.Canary = Arm{Version: "v2-swapped", ErrorRate: 0.004, Median: 0.0040, Spread: 0.36, Yes: 0.247, Confidence: 0.80, Accuracy: 0.705}
	return s
}

// Rising is Good with a mean that must not rise.
func Rising() Scenario {
	s := Good()
	s.Name, s.Rising = "churn-rising", true
	return s
}

// source makes counts up.
type source struct {
	random *rand.Rand
}

func (s source) binomial(n, p float64) float64 {
	mean, dev := n*p, math.Sqrt(n*p*(1-p))
	if mean < 30 {
		k := 0.0
		for range int(n) {
			if s.random.Float64() < p {
				k++
			}
		}
		return k
	}
	return clamp(math.Round(mean+dev*s.random.NormFloat64()), 0, n)
}

// near is a figure with noise that shrinks with the number of requests.
func (s source) near(mean, dev, n float64) float64 {
	return mean + dev*s.random.NormFloat64()/math.Sqrt(math.Max(n, 1))
}

// over is the share of a log-normal latency above x.
func (a Arm) over(x float64) float64 {
	return 0.5 * math.Erfc(math.Log(x/a.Median)/(a.Spread*math.Sqrt2))
}

// quantile is that of a log-normal latency at a standard score.
func (a Arm) quantile(z float64) float64 { return a.Median * math.Exp(z*a.Spread) }

// judges are the metrics of a churn rollout. scale and offset turn the share
// that is tested into what is shown.
func judges(s Scenario) []*judge {
	line := func(slope, offset float64) func(x, factor float64) float64 {
		return func(x, factor float64) float64 { return (1+factor*slope)*x + factor*offset }
	}
	edge := s.Stable.quantile(1.2)
	all := []*judge{
		{name: "errors", kind: analysis.ErrorRate, unit: "share", weight: 0.4,
			boundary: line(0.25, 0.001), marginValue: 0.25*s.Stable.ErrorRate + 0.001, scale: 1},
		{name: "latency", kind: analysis.Latency, unit: "seconds", weight: 0.2,
			boundary: line(0, 0.05), marginValue: 0.1 * s.Stable.Median,
			scale: s.Stable.Median, offset: s.Stable.Median * (1 - s.Stable.over(edge))},
		{name: "answers", kind: analysis.Drift, unit: "share", weight: 0.15,
			boundary: line(0, 0.05), marginValue: 0.05, scale: 1},
		{name: "confidence", kind: analysis.Mean, unit: "value", weight: 0.1,
			boundary: line(0, 0.03), marginValue: -0.03, scale: -1, offset: 1},
		{name: "accuracy", kind: analysis.Outcome, unit: "share", weight: 0.15,
			boundary: line(0, 0.05), marginValue: 0.05, scale: 1},
	}
	if c := all[3]; s.Rising {
		c.marginValue, c.scale, c.offset = 0.03, 1, 0
	}
	for _, j := range all {
		j.rollback = newRatio(1.25, 1.5, 2, 4)
		j.promote = newRatio(1/1.15, 1/1.35, 1/1.8, 1/3.0)
	}
	return all
}
