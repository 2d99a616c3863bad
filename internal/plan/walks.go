package plan

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// looks are the moments at which a simulated experiment is looked at: as often as
// the real one at first, then rarer, each time by a part of the time so far.
type looks struct {
	at     []float64   // seconds since traffic began to flow
	values []float64   // seconds of which there are values by then
	root   []float64   // √ of the seconds since the look before
	temper [][]float64 // by arm, one over what evidence is divided by
	need   []float64   // the log evidence at which a bound is reached by then
}

// rarer is the part of the time so far that passes until the next look, and adapting
// that where weights may change at each.
const (
	rarer    = .04
	adapting = .06
)

// looksOf returns the moments for arms with these means.
func (t *trial) looksOf(means []float64) looks {
	var l looks
	after, least := t.c.Goal.After.Seconds(), t.c.MinDuration.Seconds()
	part := rarer
	if t.c.Thompson {
		part = adapting
	}
	for at, was := after+t.block, after; ; {
		next := at + math.Max(t.block, t.block*math.Floor(part*(at-after)/t.block))
		if at > t.horizon {
			at = t.horizon
		}
		if was < least && at > least && least > after {
			next, at = at, least
		}
		if at > was {
			l.at, l.values, l.root = append(l.at, at), append(l.values, at-after), append(l.root, math.Sqrt(at-was))
		}
		if at >= t.horizon {
			break
		}
		was, at = at, next
	}
	for k := range l.at {
		l.need = append(l.need, t.needAt(&l, k))
	}
	l.temper = make([][]float64, len(means))
	for arm, mean := range means {
		l.temper[arm] = t.tempers(arm, mean, l.values)
	}
	return l
}

// needAt is the evidence to be seen at a look if the bound is to have been reached by
// then: less than the bound, for between two looks a walk may have been beyond it and
// come back, as it may not between two blocks (Broadie, Glasserman and Kou 1997). When
// it gets there, a walk of log evidence has a variance of about twice the bound.
func (t *trial) needAt(l *looks, k int) float64 {
	if k == 0 || l.at[k-1] < t.c.MinDuration.Seconds() {
		return t.need()
	}
	between := l.root[k] - math.Sqrt(t.block)
	return t.need() - overshoot*math.Sqrt(2*t.need()/l.values[k])*math.Max(0, between)
}

// tempers looks at the dispersion again when the time has grown by a fifth.
func (t *trial) tempers(arm int, mean float64, values []float64) []float64 {
	out := make([]float64, len(values))
	since, was := 0.0, 1.0
	for k, v := range values {
		if phi := 1 / was; v >= 1.2*since || phi == unknownDispersion {
			since, was = v, 1/t.phi(arm, mean, v)
		}
		out[k] = was
	}
	return out
}

// ends are how simulated experiments ended: the times of those that the best arm
// won, of those that ended for futility, and how many were won by another arm.
type ends struct {
	won, futile []float64 // seconds, ascending
	other, runs int
	traffic     float64 // share of the values that the best arm had until the end, on average
}

// simulate lets an experiment run so many times in which each arm is as much better
// than the control as its effect says. The sums of the arms' values are random
// walks with the drift and noise that they have; the evidence on every pair follows
// from them. All calls draw alike, so that what differs between two of them is due
// to what they are about.
func (t *trial) simulate(effects []float64, runs int) ends {
	means := t.means(effects)
	s := walker{
		trial: t, look: t.looksOf(means), duels: t.duels(means), mean: means,
		sd: make([]float64, len(means)), sum: make([]float64, len(means)), users: t.users(means), weights: t.adapt(means),
	}
	best := 0
	for arm, mean := range means {
		s.sd[arm] = math.Sqrt(t.perSec[arm] * t.variance(mean) * t.spread)
		if mean > means[best] {
			best = arm
		}
	}
	out := ends{runs: runs}
	for run := range runs {
		switch end, arm, at := s.run(rand.New(rand.NewPCG(uint64(run), 1))); {
		case end == experiment.Winner && arm == best:
			out.won = append(out.won, at)
		case end == experiment.Winner:
			out.other++
		case end == experiment.Futile:
			out.futile = append(out.futile, at)
		}
		if s.weights != nil {
			out.traffic += s.weights.share(best) / float64(runs)
		}
	}
	slices.Sort(out.won)
	slices.Sort(out.futile)
	return out
}

// walker is a simulation in which arms have certain means.
type walker struct {
	*trial
	look  looks
	duels []duel
	mean  []float64 // by arm
	sd    []float64 // by arm, of the sum of a second's values
	sum   []float64 // by arm, of values beyond what is expected, so far
	users lasting
	// weights that follow the evidence, nil if they are fixed.
	weights *adaptive
}

// run is one experiment: how it ended, with which winner and when. The empty end is
// that its time was over.
func (w *walker) run(r *rand.Rand) (end experiment.Ending, arm int, at float64) {
	clear(w.sum)
	if w.weights != nil {
		w.weights.begin()
	}
	least := w.c.MinDuration.Seconds()
	z, was := r.NormFloat64(), 0.0
	for k, at := range w.look.at {
		w.advance(k, r)
		gap := 0.0
		if w.sticky {
			// What is left of a square of sums after a longer time.
			part := was / w.look.values[k]
			z, was = part*z+math.Sqrt(1-part*part)*r.NormFloat64(), w.look.values[k]
			gap = w.users.excess(w.look.values[k], z)
		}
		if at < least || math.IsInf(gap, 1) {
			continue
		}
		leader := w.leader(k)
		if w.winner(k, leader, gap) {
			return experiment.Winner, leader, at
		}
		if w.futile(k, leader, gap) {
			return experiment.Futile, 0, at
		}
	}
	return "", 0, w.horizon
}

// advance lets the values come in that there are by a look.
func (w *walker) advance(k int, r *rand.Rand) {
	if w.weights != nil {
		w.weights.advance(&w.look, k, w.sum, r)
		return
	}
	for arm := range w.sum {
		w.sum[arm] += w.sd[arm] * w.look.root[k] * r.NormFloat64()
	}
}

// values are how many an arm has by a look.
func (w *walker) values(k, arm int) float64 {
	if w.weights != nil {
		return math.Max(w.weights.n[arm], 1)
	}
	return w.perSec[arm] * w.look.values[k]
}

// leader is the arm that has done best so far: no other one can have won.
func (w *walker) leader(k int) int {
	out, most := 0, math.Inf(-1)
	for arm, x := range w.sum {
		if at := w.mean[arm] + x/w.values(k, arm); at > most {
			out, most = arm, at
		}
	}
	return out
}

// winner reports whether an arm is better than each other one.
func (w *walker) winner(k, arm int, gap float64) bool {
	for other := range w.sum {
		if other != arm && !w.better(k, arm, other, 0, gap) {
			return false
		}
	}
	return true
}

// futile reports whether no treatment can be better than the control by what is
// worth having; of the leader that is the least likely.
func (w *walker) futile(k, leader int, gap float64) bool {
	by := -w.c.Goal.MinEffect / w.span()
	if leader > 0 && !w.better(k, 0, leader, by, gap) {
		return false
	}
	for arm := 1; arm < len(w.sum); arm++ {
		if arm != leader && !w.better(k, 0, arm, by, gap) {
			return false
		}
	}
	return true
}

// better reports whether an arm is shown to be better than another by more than a
// difference, on [0,1], whoever their users are.
func (w *walker) better(k, arm, other int, by, gap float64) bool {
	first, second, below := arm, other, 1
	if first > second {
		first, second, below = second, first, 0
	}
	if gap > 0 {
		by += gap * w.uneven(first, second)
	}
	temper := w.look.temper[first][k]
	bound := w.look.need[k]
	need := bound / temper
	logs := w.logs(k, first, second, below, by)
	most := math.Inf(-1)
	for _, x := range logs {
		if x > most {
			most = x
		}
	}
	if most < need { // the average is no more than the largest
		return false
	}
	sum := 0.0
	for _, x := range logs {
		sum += math.Exp(temper * (x - most))
	}
	return temper*most+math.Log(sum/stats.Coarse) >= bound
}

// logs are the bets of one side of a pair against a difference, untempered.
func (w *walker) logs(k, first, second, below int, by float64) (out [stats.Coarse]float64) {
	p := pairOf(first, second)
	if w.weights != nil {
		g := &w.weights.gained[p][below]
		for i := range out {
			out[i] = g.log[i] - by*g.stake[i]
		}
		return out
	}
	side := &w.duels[p].above
	if below > 0 {
		side = &w.duels[p].below
	}
	values, x, y := w.look.values[k], w.sum[first], w.sum[second]
	for i := range side {
		b := &side[i]
		out[i] = (b.drift-by*b.stake)*values + b.slope[0]*x + b.slope[1]*y
	}
	return out
}

// uneven is what the difference of groups is multiplied with for that of two arms.
func (w *walker) uneven(first, second int) float64 {
	if w.weights != nil {
		return w.users.quantile * math.Sqrt(w.weights.unevenness(first)+w.weights.unevenness(second))
	}
	return w.users.uneven(first, second)
}

// lasting is by how much two arms may differ for who is on them where users stay,
// when they are alike in truth: what stats.Differ makes of the groups of users.
type lasting struct {
	freedom  float64
	perSec   float64   // values a second, of all arms
	scale    float64   // what Differ divides by, a second
	variance float64   // of one value
	quantile float64   // of the difference of two means
	weights  []float64 // groups of users by arm
	few      bool      // too few groups to ever tell
}

func (t *trial) users(means []float64) lasting {
	l := lasting{freedom: traffic.NumSlots - float64(len(means))}
	for arm, mean := range means {
		groups := float64(t.c.Arms[arm].Weight)
		l.weights = append(l.weights, groups)
		l.perSec += t.perSec[arm]
		l.scale += t.perSec[arm] * (1 - 1/groups)
		l.variance += t.perSec[arm] * t.variance(mean)
	}
	l.variance /= math.Max(l.perSec, bestRate)
	l.few = l.freedom < stats.FewClusters
	l.quantile = stats.Lasting{Variance: 1, Freedom: l.freedom}.Most(t.alpha()/4, 1)
	return l
}

// excess is the standard deviation of a group's mean that is reckoned with after so
// many seconds, by chance alone: +Inf while too little of each group is known. The
// sum of squares is about normal, z of its standard deviations off.
func (l *lasting) excess(seconds, z float64) float64 {
	if l.few || l.perSec*seconds < 2*traffic.NumSlots {
		return math.Inf(1)
	}
	return math.Sqrt(beyond(l.freedom, z) * l.variance / (l.scale * seconds))
}

// uneven is what that is multiplied with for the difference of two arms.
func (l *lasting) uneven(first, second int) float64 {
	return l.quantile * math.Sqrt(1/l.weights[first]+1/l.weights[second])
}
