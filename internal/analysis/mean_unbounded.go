package analysis

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

// defaultBurnIn is how many canary values come before an asymptotic test begins.
const defaultBurnIn = 1000

// unboundedState judges the mean of a value that has no bounds. Its error rates
// hold in the limit only; heavy tails break them early, hence the burn-in.
type unboundedState struct {
	Stable  stats.Moments    `json:"stable"` // discounted by age
	Canary  stats.Moments    `json:"canary"`
	Spread  stats.Dispersion `json:"spread"`
	Beyond  stats.Unbounded  `json:"beyond"` // canary − ρ·stable for what is tolerated
	Within  stats.Unbounded  `json:"within"` // likewise for the margin, at this step
	Differs stats.Unbounded  `json:"differs"`
	Burnt   float64          `json:"burnt"` // canary values seen in the whole rollout
	Seen    stats.Standard   `json:"seen"`
}

func (m Metric) burnIn() float64 {
	if m.BurnIn > 0 {
		return float64(m.BurnIn)
	}
	return defaultBurnIn
}

func (s *unboundedState) check(_ Metric, x Measure) string {
	return checkBoth(x, func(c Counts) string {
		switch {
		case c.N < 0:
			return fmt.Sprintf("%d values", c.N)
		case math.IsNaN(c.Sum) || math.IsNaN(c.SumSq) || math.Abs(c.Sum) > 1e150 || c.SumSq < 0 || c.SumSq > 1e150:
			return "sums that are no finite numbers"
		case checkValues(c) != "":
			return checkValues(c)
		case c.N > 0 && c.Sum*c.Sum > c.SumSq*float64(c.N)*(1+1e-9):
			return fmt.Sprintf("squares sum to %g, less than values that sum to %g can", c.SumSq, c.Sum)
		}
		return ""
	})
}

func (s *unboundedState) learn(_ Metric, x Measure, decay float64) {
	s.observe(raw(x.Stable), stats.Moments{}, decay)
}

func raw(c Counts) stats.Moments {
	return stats.Moments{N: float64(c.N), Sum: c.Sum, SumSq: c.SumSq}
}

// spread is the variance of a value; that of both arms where one has hardly any.
func (s *unboundedState) spread(m stats.Moments) float64 {
	if m.N < 30 {
		m = m.Plus(s.Stable)
	}
	if m.N <= 1 {
		return 0
	}
	mean := m.Sum / m.N
	return math.Max((m.SumSq-m.N*mean*mean)/(m.N-1), 1e-18*(1+mean*mean))
}

func (s *unboundedState) observe(stable, canary stats.Moments, decay float64) {
	s.Stable = s.Stable.Times(decay).Plus(stable)
	s.Canary = s.Canary.Times(decay).Plus(canary)
	s.Spread.Observe(stats.Stretch{N: stable.N, Sum: stable.Sum}, stats.Stretch{N: canary.N, Sum: canary.Sum},
		s.spread(s.Stable), s.spread(s.Canary))
}

func (s *unboundedState) bet(m Metric, x Measure, at moment) float64 {
	stable, canary := raw(x.Stable), raw(x.Canary)
	s.observe(stable, canary, at.decay)
	phi := 1.0
	if at.temper {
		phi = s.Spread.Phi()
	}
	vB, vC := phi*s.spread(s.Stable), phi*s.spread(s.Canary)
	tolerated, _ := m.line(m.Tolerate)
	margin, _ := m.line(at.factor)
	s.Beyond.Add(stable, canary, tolerated.Ratio, vB, vC)
	s.Within.Add(stable, canary, margin.Ratio, vB, vC)
	s.Differs.Add(stable, canary, 1, vB, vC)
	s.Seen.Add(stats.Block{
		Stable: stats.Count{N: stable.N, K: stable.Sum}, Canary: stats.Count{N: canary.N, K: canary.Sum},
	})
	s.Burnt += canary.N
	for _, u := range []*stats.Unbounded{&s.Beyond, &s.Within, &s.Differs} {
		// A step's own values need not be as many once the rollout's are.
		if s.Burnt >= m.burnIn() {
			u.Ready(math.Min(m.burnIn(), 100))
		}
	}
	return phi
}

func (s *unboundedState) restage() { s.Within = stats.Unbounded{} }

func (s *unboundedState) summary(m Metric, v view) summary {
	seen := s.Seen.Block()
	stable, canary := seen.Stable.Share(), seen.Canary.Share()
	tolerated, sign := m.line(m.Tolerate)
	margin, _ := m.line(v.stage.factor())
	last, _ := m.line(1)
	words := [2]string{"up to ", "at most "}
	if sign < 0 {
		words = [2]string{"down to ", "at least "}
	}
	out := summary{
		rollback:  math.Max(leastShown, s.Beyond.LogE(tolerated.Shift+sign*v.who.worse(), sign)),
		promotion: math.Max(leastShown, s.Within.LogE(margin.Shift-sign*v.who.better(), -sign)),
		stable:    stable,
		canary:    canary,
		effect:    Effect{Estimate: canary - stable, Unit: "value", Margin: last.At(stable) - stable},
		phrase:    "canary mean of " + m.Name + " " + number(canary) + " against " + number(stable),
		tolerated: bound{words[0], tolerated.At(stable), number},
		margin:    bound{words[1], margin.At(stable), number},
	}
	if s.Burnt < m.burnIn() {
		out.waiting = fmt.Sprintf("%s canary values, since the value has no bounds: %s so far",
			thousands(int64(m.burnIn())), thousands(int64(s.Burnt)))
		return out
	}
	if i := s.Differs.Interval(displayed, -math.MaxFloat64, math.MaxFloat64); i.High < math.MaxFloat64 {
		out.effect.Low, out.effect.High, out.effect.Always = i.Low, i.High, true
	}
	v.who.spread(&out, 1)
	return out
}
