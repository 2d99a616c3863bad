package stats

import "math"

// The dispersion recipe: how many held blocks, and how strongly φ is believed to
// be 1 (stable) or equal to stable's (canary) before anything was seen. Chosen
// among about thirty by simulation; validity under bursts is approximate.
const (
	heldBlocks      = 8
	maxHeld         = 16
	stableStrength  = 4
	canaryStrength  = 10
	hitsPerContrast = 5 // expected stable hits that make a difference of two stretches worth squaring
	// A squared difference of more than beyondBurst times the dispersion known so far
	// counts in full only if the next one is as large: bursts go as they came. A
	// jump to another level, as at either end of an outage of both arms, counts for
	// ofJump times the dispersion and does not weaken all later evidence.
	beyondBurst = 200
	ofJump      = 20
)

// Stretch is one arm over some time: n values and their sum.
type Stretch struct {
	N   float64 `json:"n"`
	Sum float64 `json:"sum"`
}

// Spread gathers how much one arm's mean jumps from one stretch of traffic to the
// next, in units of what independent requests would do. Differences of
// neighbours are blind to slow drift.
type Spread struct {
	Sum   float64 `json:"sum"`            // of squared standardised differences, each 1 on average if requests are independent
	Count float64 `json:"count"`          // of differences
	Open  Stretch `json:"open"`           // the stretch being filled
	Last  Stretch `json:"last"`           // the stretch before it
	Kept  float64 `json:"kept,omitempty"` // what of the newest difference is not in Sum yet
}

// add puts a block into the open stretch.
func (s *Spread) add(n, sum float64) {
	s.Open.N += n
	s.Open.Sum += sum
}

// close ends the open stretch and compares it with the one before. variance is
// that of a single value, phi the dispersion known so far.
func (s *Spread) close(variance, phi float64) {
	if s.Open.N <= 0 {
		return
	}
	if s.Last.N > 0 && variance > 0 {
		d := s.Open.Sum/s.Open.N - s.Last.Sum/s.Last.N
		s.jump(d*d/(variance*(1/s.Open.N+1/s.Last.N)), phi)
		s.Count++
	}
	s.Last, s.Open = s.Open, Stretch{}
}

// jump adds a squared difference, as far as it is not a change of level.
func (s *Spread) jump(z, phi float64) {
	switch {
	case z <= beyondBurst*phi:
		s.Sum += z
		s.Kept = 0
	case s.Kept > 0: // there and back
		s.Sum += s.Kept + z
		s.Kept = 0
	default:
		s.Sum += ofJump * phi
		s.Kept = z - ofJump*phi
	}
}

// Dispersion estimates how much more than independent requests the arms of one
// comparison vary, and tempers its evidence accordingly.
type Dispersion struct {
	Blocks int    `json:"blocks"` // with both arms, up to the number held back
	Stable Spread `json:"stable"`
	Canary Spread `json:"canary"`
}

// Observe adds one block: trials and sums of both arms, and the variance of a
// single value on each arm. Stretches are compared once stable's holds at least
// five expected hits (n·p(1−p) ≥ 5), below which the square of a difference says
// little. A block without canary still teaches about stable.
func (d *Dispersion) Observe(stable, canary Stretch, vStable, vCanary float64) {
	d.Stable.add(stable.N, stable.Sum)
	d.Canary.add(canary.N, canary.Sum)
	if canary.N > 0 && stable.N > 0 && d.Blocks < maxHeld {
		d.Blocks++
	}
	if d.Stable.Open.N*math.Min(vStable, .25) < hitsPerContrast {
		return
	}
	phi := d.Phi()
	d.Stable.close(vStable, phi)
	d.Canary.close(vCanary, phi)
}

// Phi returns the estimated dispersion, at least 1: the larger of stable's
// φ_B = max(1, (4+Σz)/(4+K)) and the canary's φ_C = (10φ_B+Σz)/(10+K).
func (d Dispersion) Phi() float64 { return d.leaning(0) }

// leaning is Phi with each arm's estimate moved by so many of the standard errors
// that it has where requests are independent.
func (d Dispersion) leaning(errors float64) float64 {
	b := math.Max(1, d.Stable.mean(stableStrength, 1, errors))
	return math.Max(b, d.Canary.mean(canaryStrength, b, errors))
}

// mean is the average squared difference, with a belief in prior worth strength of
// them, moved by so many standard errors. A squared difference has variance 2, and
// a correlation of 1/4 with the next one, which shares a stretch with it: K of them
// have variance 3K.
func (s Spread) mean(strength, prior, errors float64) float64 {
	return (strength*prior + s.Sum + errors*math.Sqrt(3*s.Count)) / (strength + s.Count)
}

// tilt is by how many standard errors a dispersion is taken to be smaller against
// a rollback and larger against a promotion. The larger of two estimates neither
// of which may be under 1 is too large on average where requests are independent;
// half an error less makes up for most of that, and is little beside the
// dispersion of bursts. A wrong promotion is not made good by looking again.
const tilt = .5

// Temper returns how evidence is to be weakened now.
func (d Dispersion) Temper() Temper {
	return Temper{
		Phi:     math.Max(1, d.leaning(-tilt)),
		Careful: d.leaning(tilt),
		Hold:    d.Blocks < heldBlocks || d.Blocks < maxHeld && d.Stable.Count < 3,
	}
}

// Fresh returns the estimate so far with no stretch to compare the next one
// with, for when the event counted changes.
func (d Dispersion) Fresh() Dispersion {
	d.Stable.Open, d.Stable.Last = Stretch{}, Stretch{}
	d.Canary.Open, d.Canary.Last = Stretch{}, Stretch{}
	return d
}

// OneArm is the dispersion of a single stream of trials, such as mirrored pairs.
type OneArm struct {
	Blocks int    `json:"blocks"`
	Spread Spread `json:"spread"`
}

// Observe adds one block and the variance of a single value.
func (o *OneArm) Observe(x Stretch, variance float64) {
	o.Spread.add(x.N, x.Sum)
	if x.N > 0 && o.Blocks < maxHeld {
		o.Blocks++
	}
	if o.Spread.Open.N*math.Min(variance, .25) >= hitsPerContrast {
		o.Spread.close(variance, o.Temper().Phi)
	}
}

// Temper returns how evidence is to be weakened now, with φ as stable's is.
func (o OneArm) Temper() Temper {
	return Temper{
		Phi:  math.Max(1, (stableStrength+o.Spread.Sum)/(stableStrength+o.Spread.Count)),
		Hold: o.Blocks < heldBlocks,
	}
}
