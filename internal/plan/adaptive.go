package plan

import (
	"math"
	"math/rand/v2"

	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// adaptive are weights that follow the evidence (Thompson) in a simulation. Bets
// depend on the arms' shares of the moment, so that evidence is added up piece by
// piece.
type adaptive struct {
	*trial
	total float64 // values of all arms a second
	mean  []float64
	sd    []float64 // of one value, by arm, what it varies beyond independence with it
	ratio []ratios  // by pair

	shares   [][]float64 // decided at each look
	first    []float64   // at the beginning
	n        []float64   // values by arm
	gained   []tallied   // by pair
	last     float64     // when weights were last decided
	moved    []float64   // of the sums, in the newest stretch of time
	logs     []float64   // of the shares, likewise
	normally []normals
}

// tallied are the bets of a pair so far, above and below: log evidence and stakes.
type tallied [2]struct{ log, stake [stats.Coarse]float64 }

// ratios are the duels of a pair by the logarithm of the second arm's share over the
// first one's, at equal distances, for one value of the first a second.
type ratios struct {
	lowest, step float64
	duels        []duel
}

// nodes is how many ratios of shares bets are known at.
const nodes = 17

// adapt returns the weights of a trial whose arms have these means, nil if they are
// fixed.
func (t *trial) adapt(means []float64) *adaptive {
	if !t.c.Thompson {
		return nil
	}
	a := &adaptive{trial: t, mean: means, n: make([]float64, len(means)), moved: make([]float64, len(means)), logs: make([]float64, len(means)), normally: make([]normals, len(means))}
	for arm, m := range means {
		a.total += t.perSec[arm]
		a.first = append(a.first, float64(t.c.Arms[arm].Weight)/traffic.NumSlots)
		a.sd = append(a.sd, math.Sqrt(t.variance(m)*t.spread))
	}
	known := map[[2]float64]ratios{}
	for j := 1; j < len(means); j++ {
		for i := range j {
			of := [2]float64{means[i], means[j]}
			if known[of].duels == nil {
				known[of] = t.ratios(of)
			}
			a.ratio = append(a.ratio, known[of])
		}
	}
	a.gained = make([]tallied, len(a.ratio))
	return a
}

func (t *trial) ratios(means [2]float64) ratios {
	two := *t
	two.c.Arms = t.c.Arms[:2]
	least := math.Log(t.c.Floor)
	out := ratios{lowest: least, step: -2 * least / (nodes - 1)}
	for k := range nodes {
		two.perSec = []float64{1, math.Exp(least + float64(k)*out.step)}
		out.duels = append(out.duels, two.duels(means[:])[0])
	}
	return out
}

// begin forgets the run before.
func (a *adaptive) begin() {
	a.shares, a.last = a.shares[:0], math.Inf(-1)
	clear(a.n)
	clear(a.gained)
}

// advance lets the values of the stretch of time before a look come in, and decides
// on new weights if it is time.
func (a *adaptive) advance(l *looks, k int, sum []float64, r *rand.Rand) {
	seconds := l.root[k] * l.root[k]
	shares := a.then(l, k)
	for arm := range sum {
		values := a.total * shares[arm] * seconds
		a.moved[arm] = a.sd[arm] * math.Sqrt(values) * r.NormFloat64()
		sum[arm] += a.moved[arm]
		a.n[arm] += values
		a.logs[arm] = math.Log(shares[arm])
	}
	p := 0
	for j := 1; j < len(sum); j++ {
		for i := range j {
			x := (a.logs[j] - a.logs[i] - a.ratio[p].lowest) / a.ratio[p].step
			at := min(max(int(x), 0), nodes-2)
			a.gained[p].add(&a.ratio[p].duels[at], &a.ratio[p].duels[at+1], x-float64(at), a.total*shares[i]*seconds, a.moved[i], a.moved[j])
			p++
		}
	}
	next := a.now()
	if at := l.at[k]; at >= a.safe && at >= a.last+a.c.Every.Seconds() {
		a.last = at
		next = a.follow(sum)
	}
	a.shares = append(a.shares, next)
}

// add adds the bets between two duels, of so many values of the first arm.
func (g *tallied) add(lo, hi *duel, part, values, first, second float64) {
	for side, pair := range [2][2]*[stats.Coarse]bet{{&lo.above, &hi.above}, {&lo.below, &hi.below}} {
		to := &g[side]
		for i := range pair[0] {
			x, y := &pair[0][i], &pair[1][i]
			below := values*x.drift + first*x.slope[0] + second*x.slope[1]
			above := values*y.drift + first*y.slope[0] + second*y.slope[1]
			to.log[i] += below + part*(above-below)
			to.stake[i] += values * (x.stake + part*(y.stake-x.stake))
		}
	}
}

// now are the newest weights.
func (a *adaptive) now() []float64 {
	if n := len(a.shares); n > 0 {
		return a.shares[n-1]
	}
	return a.first
}

// then are the weights under which the values that come before a look were
// predicted.
func (a *adaptive) then(l *looks, k int) []float64 {
	when := l.at[k] - l.root[k]*l.root[k]/2 - a.later
	for m := k - 1; m >= 0; m-- {
		if l.at[m] <= when {
			return a.shares[m]
		}
	}
	return a.first
}

// follow are weights by the probability of being the best, at least the floor.
func (a *adaptive) follow(sum []float64) []float64 {
	for arm := range sum {
		n := math.Max(a.n[arm], 1)
		a.normally[arm] = normals{a.mean[arm] + sum[arm]/n, math.Sqrt(a.variance(a.mean[arm]) / n)}
	}
	out := best(a.normally)
	for arm := range out {
		out[arm] = a.c.Floor + (1-float64(len(out))*a.c.Floor)*out[arm]
	}
	return out
}

// normals is what is believed of a mean: the normal distribution that the Beta
// distribution of experiment comes to with so many values.
type normals struct{ mean, sd float64 }

// cells is over how many cells probabilities of being the best integrate.
const cells = 64

// best returns of each the probability that it is the largest.
func best(of []normals) []float64 {
	low, high := math.Inf(-1), math.Inf(-1)
	for _, p := range of {
		low, high = math.Max(low, p.mean-5*p.sd), math.Max(high, p.mean+5*p.sd)
	}
	out, below, middle := make([]float64, len(of)), make([]float64, len(of)), make([]float64, len(of))
	sum := 0.0
	for k := range cells {
		x := low + (high-low)*float64(k+1)/cells
		all := 1.0
		for i, p := range of {
			middle[i] = nearNormal((x - (high-low)/(2*cells) - p.mean) / p.sd)
			all *= middle[i]
		}
		for i, p := range of {
			next := nearNormal((x - p.mean) / p.sd)
			if all > 0 {
				mass := (next - below[i]) * all / middle[i]
				out[i] += mass
				sum += mass
			}
			below[i] = next
		}
	}
	for i := range out {
		if sum > 0 {
			out[i] /= sum
		} else {
			out[i] = 1 / float64(len(of))
		}
	}
	return out
}

// nearNormal is the standard normal distribution function, from a table: it is asked
// for millions of times, and weights are known to a percent.
func nearNormal(z float64) float64 {
	const reach, each = 6, float64(len(normalTable)-1) / 12
	switch {
	case z <= -reach:
		return 0
	case z >= reach:
		return 1
	}
	x := (z + reach) * each
	i := int(x)
	return normalTable[i] + (x-float64(i))*(normalTable[i+1]-normalTable[i])
}

var normalTable = func() (out [1201]float64) {
	for i := range out {
		out[i] = normal(float64(i)/100 - 6)
	}
	return out
}()

// share is the part of all values that an arm has had.
func (a *adaptive) share(arm int) float64 {
	all := 0.0
	for _, n := range a.n {
		all += n
	}
	return a.n[arm] / math.Max(all, 1)
}

// unevenness is one over the groups of users that an arm has had on average.
func (a *adaptive) unevenness(arm int) float64 {
	return 1 / (groups * math.Max(a.share(arm), 1./groups))
}
