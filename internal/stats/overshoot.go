package stats

import "math"

// maxRedraw bounds the hits of a block for which its other possible outcomes are
// weighed. More hits in one block mean blocks too long for it to matter.
const maxRedraw = 128

// maxRaise bounds the factor where nearly every outcome would be cut off.
const maxRaise = 1e6

// Recoup makes up for evidence that would be of no use: a block that lifts an
// e-process beyond the threshold at which it decides wastes what is beyond. Had
// each hit of the block fallen on the canary or on stable by the same draw that
// assigned its request, the evidence beyond the threshold is known in advance for
// every outcome; it is cut off there and given, in proportion, to the outcomes
// that stay below (Fischer and Ramdas, arXiv 2410.16076, for one request at a
// time; here over the hits of a block, given their number).
//
// The zero Recoup does nothing.
type Recoup struct {
	Threshold float64   // log evidence of the whole process at which it decides; 0 for none
	Shares    []float64 // of the components
	Null      Null
	Block     Block
	Slopes    []float64 // per component, ln of the factor that one hit on the canary instead of stable is worth
}

// Slopes writes into dst, one per alternative, by how much the logarithm of
// Factors rises when one hit of the block falls on the canary instead of stable.
func (b Bet) Slopes(dst []float64, x Block, theta float64) {
	one := Block{Count{x.Stable.N, 0}, Count{x.Canary.N, 1}}
	other := Block{Count{x.Stable.N, 1}, Count{x.Canary.N, 0}}
	var buf [16]float64
	less := buf[:len(dst)]
	b.Factors(dst, one, theta)
	b.Factors(less, other, theta)
	for i := range dst {
		dst[i] -= less[i]
	}
}

// LogShare returns the logarithm of the factor ≥ 1 by which the stakes of p, into
// which the block has been multiplied at dispersion phi, may be raised.
//
// Why it is valid: given the number of hits, a null p_C ≤ ρ·p_B + δ with ρ ≥ 1,
// δ ≥ 0 is at its boundary when hits fall on the canary at odds of at least ρ to
// what a blind draw gives. Under odds of exactly ρ the cut and the raise cancel;
// under larger ones the cut, which is of the outcomes with more hits on the
// canary, weighs more; and since what results still rises with those hits,
// smaller rates of the canary gain less than the boundary does.
func (r Recoup) LogShare(p Process, s Schedule, phi float64) float64 {
	hits := r.Block.Stable.K + r.Block.Canary.K
	if r.Threshold <= 0 || p.Held != nil || r.Null.Ratio < 1 || r.Null.Shift < 0 ||
		hits < 1 || hits > maxRedraw || hits != math.Trunc(hits) || r.Block.Canary.K != math.Trunc(r.Block.Canary.K) {
		return 0
	}
	var lots, stakes [maxRedraw + 1]float64
	least, n := draws(&lots, r.Block, hits, r.Null.Ratio)
	for i := range n {
		stakes[i] = r.stakes(p, (least+float64(i)-r.Block.Canary.K)/phi)
	}
	waiting := math.Exp(Log(s.waiting(p.Restarts)) - r.Threshold)
	return fill(lots[:n], stakes[:n], waiting)
}

// draws writes into dst how likely it is that least, least+1, … of the hits fall on
// the canary, given their number, if its odds of a hit are ratio times stable's
// (Fisher's noncentral hypergeometric distribution). n is how many cases there are.
func draws(dst *[maxRedraw + 1]float64, x Block, hits, ratio float64) (least float64, n int) {
	least = math.Max(0, hits-x.Stable.N)
	log, top := 0.0, 0.0
	for k := least; k <= math.Min(hits, x.Canary.N); k++ {
		dst[n] = log
		top = math.Max(top, log)
		log += math.Log(ratio * (x.Canary.N - k) * (hits - k) / ((k + 1) * (x.Stable.N - hits + k + 1)))
		n++
	}
	total := 0.0
	for i := range n {
		dst[i] = math.Exp(dst[i] - top)
		total += dst[i]
	}
	for i := range n {
		dst[i] /= total
	}
	return least, n
}

// stakes returns what the components would be worth together, as a share of the
// threshold, had extra more hits fallen on the canary.
func (r Recoup) stakes(p Process, extra float64) float64 {
	sum := 0.0
	for i, l := range p.Log {
		sum += r.Shares[i] * math.Exp(math.Min(l+extra*r.Slopes[i]-r.Threshold, 600))
	}
	return sum
}

// fill returns ln f for the largest f in [1, maxRaise] with Σ odds·min(1,
// waiting+f·stakes) no more than Σ odds·(waiting+stakes). stakes rise.
func fill(odds, stakes []float64, waiting float64) float64 {
	f := 1.0
	below := len(stakes)
	for {
		cut := below
		for cut > 0 && waiting+f*stakes[cut-1] >= 1 {
			cut--
		}
		if cut == below {
			return math.Log(f)
		}
		below = cut
		excess, rest := 0.0, 0.0
		for i := range stakes {
			if i >= below {
				excess += odds[i] * (waiting + stakes[i] - 1)
			} else {
				rest += odds[i] * stakes[i]
			}
		}
		if below == 0 || rest <= 0 {
			return math.Log(f)
		}
		// Less than could be given is valid too.
		f = math.Min(math.Max(f, 1+excess/rest), maxRaise)
	}
}
