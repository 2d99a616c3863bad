package plan

import (
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

// process is one e-process as a random walk: the components of its mixture with
// their stakes and, per second, the drift and the noise of their log evidence.
// Two independent sources of noise drive all components: the hits of each arm.
type process struct {
	share  []float64 // stakes; they sum to at most 1
	drift  []float64 // expected log factor per second
	slope  [][2]float64
	spread [2]float64 // variance per second of stable's and canary's hits
}

// odds is one bet and what it is to meet.
type odds struct {
	bet interface {
		Factors([]float64, stats.Block, float64)
	}
	shares []float64 // stakes of its alternatives
	theta  float64   // the rate it is based on
	truth  stats.Rates
}

// walk returns the random walk of a bet at so many trials per second.
func (o odds) walk(stable, canary float64) process {
	k := len(o.shares)
	block := func(dB, dC float64) []float64 {
		dst := make([]float64, k)
		o.bet.Factors(dst, stats.Block{
			Stable: stats.Count{N: stable, K: stable*o.truth.Stable + dB},
			Canary: stats.Count{N: canary, K: canary*o.truth.Canary + dC},
		}, o.theta)
		return dst
	}
	p := process{
		share: o.shares, drift: block(0, 0), slope: make([][2]float64, k),
		spread: [2]float64{stable * variance(o.truth.Stable), canary * variance(o.truth.Canary)},
	}
	// Log factors are linear in the hits.
	b, c := block(1, 0), block(0, 1)
	for i := range k {
		p.slope[i] = [2]float64{b[i] - p.drift[i], c[i] - p.drift[i]}
	}
	return p
}

func variance(p float64) float64 { return p * (1 - p) }

// average returns the process that stakes the same on each of several.
func average(all ...process) process {
	var out process
	for _, p := range all {
		for i := range p.share {
			out.share = append(out.share, p.share[i]/float64(len(all)))
			out.drift = append(out.drift, p.drift[i])
			// The noise of different events is kept apart by its own scale.
			out.slope = append(out.slope, [2]float64{p.slope[i][0] * math.Sqrt(p.spread[0]), p.slope[i][1] * math.Sqrt(p.spread[1])})
		}
	}
	out.spread = [2]float64{1, 1}
	return out
}

// staked multiplies all stakes.
func (p process) staked(f float64) process {
	out := p
	out.share = make([]float64, len(p.share))
	for i, s := range p.share {
		out.share[i] = s * f
	}
	return out
}

// expected returns the log evidence after t seconds if everything happens as
// expected, with log evidence divided by phi.
func (p process) expected(t, phi float64) float64 {
	first := 0
	for i, d := range p.drift {
		if d > p.drift[first] {
			first = i
		}
	}
	// Relative to the fastest component nothing overflows.
	sum := 0.0
	for i, s := range p.share {
		sum += s * math.Exp((p.drift[i]-p.drift[first])*t/phi)
	}
	return p.drift[first]*t/phi + math.Log(sum)
}

// passage is the time at which a Brownian motion with drift first reaches a
// level.
type passage struct {
	level, drift, noise float64 // noise is the variance per second
}

// passage returns the passage of the process through a bound, phi being the
// dispersion that evidence is divided by and true the one that there is. Around
// the time at which the expected path arrives, the mixture behaves as the
// components that carry it there.
func (p process) passage(bound, phi, true float64) passage {
	end := p.arrival(bound, phi)
	if math.IsInf(end, 1) {
		return p.unlikely(bound, phi, true)
	}
	var a [2]float64
	at := p.expected(end, phi)
	for i, s := range p.share {
		w := math.Exp(math.Log(s) + p.drift[i]*end/phi - at)
		a[0] += w * p.slope[i][0]
		a[1] += w * p.slope[i][1]
	}
	return passage{bound, bound / end, p.noise(a) * true / (phi * phi)}
}

func (p process) noise(a [2]float64) float64 {
	return a[0]*a[0]*p.spread[0] + a[1]*a[1]*p.spread[1]
}

// unlikely is the passage of a process that is expected to fall: that of the
// component most likely to get there by chance.
func (p process) unlikely(bound, phi, true float64) passage {
	var best passage
	most := math.Inf(-1)
	for i, s := range p.share {
		x := passage{bound - math.Log(s), p.drift[i] / phi, p.noise(p.slope[i]) * true / (phi * phi)}
		if x.noise <= 0 {
			continue
		}
		if chance := 2 * x.drift * x.level / x.noise; chance > most {
			most, best = chance, x
		}
	}
	return best
}

// arrival returns when the expected path reaches the bound, +Inf if never.
func (p process) arrival(bound, phi float64) float64 {
	fastest := 0.0
	for _, d := range p.drift {
		fastest = math.Max(fastest, d)
	}
	if fastest <= 0 {
		return math.Inf(1)
	}
	lo, hi := 0.0, phi*bound/fastest
	for p.expected(hi, phi) < bound {
		lo, hi = hi, 2*hi
	}
	for hi-lo > 1e-6*hi {
		mid := (lo + hi) / 2
		if p.expected(mid, phi) < bound {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// by returns the probability of having arrived within t seconds: the inverse
// Gaussian distribution function, which for a falling motion stays below 1.
func (p passage) by(t float64) float64 {
	switch {
	case t <= 0 || p.level <= 0 && p.noise <= 0:
		return 0
	case p.noise <= 0:
		if p.drift*t >= p.level {
			return 1
		}
		return 0
	}
	s := math.Sqrt(p.noise * t)
	up := normal((p.drift*t - p.level) / s)
	// exp(2μL/σ²)·Φ(−…) is a large number times a tiny one.
	z := (-p.level - p.drift*t) / s
	return math.Min(1, up+math.Exp(2*p.drift*p.level/p.noise+logNormal(z)))
}

// normal is the standard normal distribution function.
func normal(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// logNormal is its logarithm, by an asymptotic series in the far left tail.
func logNormal(z float64) float64 {
	if z > -30 {
		return math.Log(normal(z))
	}
	return -z*z/2 - math.Log(-z*math.Sqrt(2*math.Pi)) + math.Log1p(-1/(z*z))
}
