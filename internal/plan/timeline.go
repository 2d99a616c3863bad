package plan

import "math"

// points is how many times a curve is known at. They lie closer together at the
// beginning, where most is decided.
const points = 200

// curve is a distribution function over the time of one step, from 0 to its
// horizon.
type curve struct {
	horizon float64
	by      [points + 1]float64
}

// atLeast is the law of something that takes a time at least.
func (c curve) atLeast(seconds float64) curve {
	for i := 0; i <= points && c.at(i) < seconds; i++ {
		c.by[i] = 0
	}
	return c
}

// at returns the i-th time.
func (c *curve) at(i int) float64 {
	x := float64(i) / points
	return c.horizon * x * x
}

// overshoot is by how many standard deviations of a step a walk that is looked at
// after every step has passed a bound on average when it is first seen beyond it:
// −ζ(½)/√(2π) (Siegmund 1985).
const overshoot = .5826

// curveOf is the law of a passage as analysis reads it: the evidence is divided
// by a dispersion, held back at first, and read at the end of a block. Counts that
// come late are counted when they come.
func (s *settings) curveOf(m namedModel, walk func(seconds float64) process, bound float64, at stage, k pace) curve {
	c := curve{horizon: at.horizon}
	hold := k.hold()
	var last passage
	was, since := 0.0, 0.0
	for i := 1; i <= points; i++ {
		t := s.matured(at, c.at(i), m.delay())
		if t < hold {
			continue
		}
		// The dispersion falls slowly: it is looked at again when the time has grown
		// by a fifth, and a passage serves until it has moved by 1%.
		if t >= 1.2*since {
			since = t
			if phi := k.phi(t); s.sticks(m) || math.Abs(phi-was) > .01*phi {
				last, was = walk(t).passage(s.level(m, bound), phi, math.Max(1, k.spread)), phi
				last.level += overshoot * math.Sqrt(last.noise*k.block)
			}
		}
		c.by[i] = last.by(t)
	}
	for i := 1; i <= points; i++ {
		c.by[i] = math.Max(c.by[i], c.by[i-1]) // approximations may cross a little
	}
	return c
}

// certain is a curve that has arrived at once.
func certain(horizon float64) curve {
	c := curve{horizon: horizon}
	for i := range c.by {
		c.by[i] = 1
	}
	return c
}

// and is the law of the later of two independent times.
func (c curve) and(o curve) curve {
	for i := range c.by {
		c.by[i] *= o.by[i]
	}
	return c
}

// quantile returns the time by which a probability q has arrived, +Inf if not
// within the horizon.
func (c curve) quantile(q float64) float64 {
	for i := 1; i <= points; i++ {
		if c.by[i] >= q {
			part := (q - c.by[i-1]) / (c.by[i] - c.by[i-1])
			return c.at(i-1) + math.Max(0, part)*(c.at(i)-c.at(i-1))
		}
	}
	return math.Inf(1)
}

// before returns the law of arriving before another time, independent of it.
func (c curve) before(o curve) curve {
	out := curve{horizon: c.horizon}
	for i := 1; i <= points; i++ {
		out.by[i] = out.by[i-1] + (c.by[i]-c.by[i-1])*(1-(o.by[i]+o.by[i-1])/2)
	}
	return out
}

// end is the probability of having arrived at the horizon.
func (c curve) end() float64 { return c.by[points] }
