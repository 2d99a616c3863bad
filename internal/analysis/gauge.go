package analysis

import (
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

// batch is how many blocks are averaged into one reading. Levels such as memory
// hardly move between two blocks, and readings that follow each other are no
// independent ones.
const batch = 3

// leastShown is the least log evidence shown of tests that can fall without bound.
const leastShown = -20

// gaugeState judges a level of the arms themselves, by the differences between
// simultaneous readings: their sequential t-test. It assumes differences of batches
// that are about normal and independent.
type gaugeState struct {
	Stable  gaugeBatch   `json:"stable"` // of the batch being filled
	Canary  gaugeBatch   `json:"canary"`
	Blocks  int          `json:"blocks"`
	Levels  [2]float64   `json:"levels"`  // of the newest batch, stable and canary
	Beyond  stats.Series `json:"beyond"`  // canary − ρ·stable for what is tolerated
	Within  stats.Series `json:"within"`  // likewise for the margin, at this step
	Differs stats.Series `json:"differs"` // canary − stable
}

// gaugeBatch are the readings of one arm.
type gaugeBatch struct {
	N   float64 `json:"n"`
	Sum float64 `json:"sum"`
}

func (s *gaugeState) check(_ Metric, x Measure) string {
	return checkBoth(x, func(c Counts) string {
		if c.N < 0 || math.IsNaN(c.Sum) || math.Abs(c.Sum) > 1e150 {
			return "readings that are no finite numbers"
		}
		return ""
	})
}

func (s *gaugeState) learn(Metric, Measure, float64) {}

// upward reports whether growth is what is limited, rather than decline.
func (m Metric) upward() bool {
	return m.MaxDecrease <= 0 && m.MinRatio <= 0 || m.MaxIncrease > 0 || m.MaxRatio > 1
}

// line returns the line that a gauge is compared with, f of the margin away from
// equality, and the sign of being worse.
func (m Metric) line(f float64) (n stats.Null, sign float64) {
	if m.upward() {
		return m.margin().Scale(f), 1
	}
	ratio := 1.0
	if m.MinRatio > 0 {
		ratio = m.MinRatio
	}
	return stats.Null{Ratio: ratio, Shift: -m.MaxDecrease}.Scale(f), -1
}

func (s *gaugeState) bet(m Metric, x Measure, at moment) float64 {
	s.Stable.N, s.Stable.Sum = s.Stable.N+float64(x.Stable.N), s.Stable.Sum+x.Stable.Sum
	s.Canary.N, s.Canary.Sum = s.Canary.N+float64(x.Canary.N), s.Canary.Sum+x.Canary.Sum
	if s.Blocks++; s.Blocks < batch {
		return 1
	}
	b, c := s.Stable.Sum/s.Stable.N, s.Canary.Sum/s.Canary.N
	tolerated, _ := m.line(m.Tolerate)
	margin, _ := m.line(at.factor)
	s.Beyond.Add(c - tolerated.Ratio*b)
	s.Within.Add(c - margin.Ratio*b)
	s.Differs.Add(c - b)
	s.Levels = [2]float64{b, c}
	s.Stable, s.Canary, s.Blocks = gaugeBatch{}, gaugeBatch{}, 0
	return 1
}

func (s *gaugeState) restage() { s.Within = stats.Series{} }

func (s *gaugeState) summary(m Metric, v view) summary {
	tolerated, sign := m.line(m.Tolerate)
	margin, _ := m.line(v.stage.factor())
	last, _ := m.line(1)
	b, c := s.Levels[0], s.Levels[1]
	words := [2]string{"up to ", "at most "}
	if sign < 0 {
		words = [2]string{"down to ", "at least "}
	}
	out := summary{
		rollback:  math.Max(leastShown, s.Beyond.LogT(tolerated.Shift, sign)),
		promotion: math.Max(leastShown, s.Within.LogT(margin.Shift, -sign)),
		stable:    b,
		canary:    c,
		effect:    Effect{Estimate: s.Differs.Mean, Unit: "value", Margin: last.At(b) - b},
		phrase:    m.Name + " of the canary at " + number(c) + " against " + number(b),
		tolerated: bound{words[0], tolerated.At(b), number},
		margin:    bound{words[1], margin.At(b), number},
	}
	if s.Differs.N == 0 {
		out.waiting = "the first readings"
		return out
	}
	if i := s.Differs.Interval(displayed, -math.MaxFloat64, math.MaxFloat64); i.High < math.MaxFloat64 {
		out.effect.Low, out.effect.High, out.effect.Always = i.Low, i.High, true
	}
	return out
}
