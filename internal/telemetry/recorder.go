package telemetry

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Recorder counts. Its methods are safe for concurrent use; see the package
// comment for what they cost.
type Recorder struct {
	opt        Options
	classes    *classTable
	keys       atomic.Pointer[keySet] // nil unless sticky
	generation atomic.Uint64          // the newest that decided
	assigned   assignments

	// gate is the number of the set that is written to, in the highest bit, and
	// how many writers have entered it since the last swap, in the others.
	gate atomic.Uint64
	sets [2]cellSet

	mu    sync.Mutex // of total, held by Snapshot
	total Snapshot
}

const hotBit = 1 << 63

// New returns a Recorder that has seen nothing.
func New(o Options) *Recorder {
	o = o.complete()
	r := &Recorder{opt: o, classes: newClassTable(o.MaxClasses), total: emptySnapshot(o)}
	for i := range r.sets {
		r.sets[i].arms = make([]armCells, o.Arms)
		for arm := range r.sets[i].arms {
			r.sets[i].arms[arm].init(o)
		}
	}
	if o.Sticky {
		r.keys.Store(newKeySet(o.MaxKeys))
	}
	return r
}

// Assign tells of a request that was sent to an arm under the table of split s.
// Call it once for each request, when it is decided, unless it warms a model up.
//
// It counts for the traffic check: random decisions only, at weights that leave
// something to chance, and of requests with a sticky key the first of each key
// only, since those that follow were decided with it.
func (r *Recorder) Assign(c traffic.Choice, s *traffic.Split) {
	for {
		newest := r.generation.Load()
		if s.Generation <= newest || r.generation.CompareAndSwap(newest, s.Generation) {
			break
		}
	}
	if c.Forced || s.Slots == "" && (s.Canary <= 0 || s.Canary >= traffic.Full) {
		return
	}
	if c.Keyed {
		keys := r.keys.Load()
		if keys == nil || !keys.first(c.KeyHash) {
			return
		}
	}
	r.assigned.of(shares{s.Canary, s.Slots}).arms[c.Arm%traffic.MaxArms].Add(1)
}

// ForgetKeys lets every sticky key be counted again. Call it when a new revision
// begins, whose traffic check starts afresh, and never during one: a key's arm
// is no news the second time.
func (r *Recorder) ForgetKeys() {
	if r.opt.Sticky {
		r.keys.Store(newKeySet(r.opt.MaxKeys))
	}
}

// IgnoreKeys leaves keyed assignments out of the traffic check until the next
// ForgetKeys. Call it when the check goes on from an earlier process, which has
// counted keys that this one cannot know. It reports whether keys were counted.
func (r *Recorder) IgnoreKeys() bool { return r.keys.Swap(nil) != nil }

// enter returns the set to write to; the caller must leave it soon.
func (r *Recorder) enter() *cellSet { return &r.sets[r.gate.Add(1)>>63] }

func (s *cellSet) leave() { s.done.Add(1) }

// Observe tells how a request ended. It keeps nothing of x.
func (r *Recorder) Observe(x *Exchange) {
	s := r.enter()
	a := &s.arms[int(x.Arm)%len(s.arms)]
	switch {
	case x.Warmup:
		a.warmup.Add(1)
	case x.Forced:
		countApart(x, &a.forced, &a.forcedErrors)
	case x.Generation < r.generation.Load():
		countApart(x, &a.stale, &a.staleErrors)
	default:
		r.observe(a, x)
	}
	s.leave()
}

// countApart counts a request that is no evidence.
func countApart(x *Exchange, all, failed *cell) {
	if x.Cancelled {
		return
	}
	all.Add(1)
	if x.Failed {
		failed.Add(1)
	}
}

// observe counts a request that is evidence.
func (r *Recorder) observe(a *armCells, x *Exchange) {
	switch {
	case x.Cancelled:
		a.cancelled.Add(1)
	case x.Failed:
		a.requests.Add(1)
		a.errors.Add(1)
		a.group(x)
		return
	default:
		a.requests.Add(1)
		a.group(x)
	}
	a.latency[bin(r.opt.Edges, x.Latency)].Add(1)
	a.latencySum.Add(int64(x.Latency))
	if st := x.Stream; st != nil {
		r.observeStream(a, x, st)
	}
	if x.Cancelled {
		return
	}
	if x.Readable && !x.Read {
		a.unread.Add(1)
	}
	for i := range x.Predictions {
		r.predict(a, x, &x.Predictions[i])
	}
}

// group counts an answered or failed request for its group of users, or, if it has
// no user, for one of two halves.
func (a *armCells) group(x *Exchange) {
	if !x.Keyed {
		a.half[x.Half&1].Add(1)
		if x.Failed {
			a.halfErrors[x.Half&1].Add(1)
		}
		return
	}
	if a.groups == nil {
		return
	}
	g := GroupOf(x.Bucket)
	a.groups[g].Add(1)
	if x.Failed {
		a.groupErrors[g].Add(1)
	}
	if !x.Alone {
		return
	}
	a.alone[g].Add(1)
	if x.Failed {
		a.aloneErrors[g].Add(1)
	}
}

// number counts a number of an answer, for its group of users too if it has one.
func (a *armCells) number(x *Exchange, to *moments, is Number, v float64) {
	to.add(v)
	if x.Keyed && a.groupMeans[is] != nil {
		a.groupMeans[is][GroupOf(x.Bucket)].add(v)
	}
}

func (r *Recorder) observeStream(a *armCells, x *Exchange, st *inference.StreamResult) {
	if st.HasTTFT {
		a.ttft[bin(r.opt.Edges, st.TTFT)].Add(1)
		a.number(x, &a.firstToken, TTFT, r.opt.TTFT.Clip(st.TTFT.Seconds()))
	}
	if st.TimePerOutputToken > 0 {
		a.perToken[bin(r.opt.Edges, st.TimePerOutputToken)].Add(1)
		a.number(x, &a.tokenTime, PerToken, r.opt.PerToken.Clip(st.TimePerOutputToken.Seconds()))
	}
}

// predict counts one prediction. Numbers that are not finite count as absent.
func (r *Recorder) predict(a *armCells, x *Exchange, p *inference.Prediction) {
	if p.Unread() {
		a.unread.Add(1)
		return
	}
	a.predictions.Add(1)
	if p.HasClass {
		a.classes[r.classes.number(p.Class)].Add(1)
	}
	if p.HasConfidence && isFinite(p.Confidence) {
		unit := Bounds{0, 1}
		v := unit.Clip(p.Confidence)
		a.number(x, &a.confidence, Confidence, v)
		a.confidenceBins[unit.Bin(v, ScoreBins)].Add(1)
	}
	if p.HasValue && isFinite(p.Value) {
		v := r.opt.Value.Clip(p.Value)
		a.number(x, &a.value, Value, v)
		if a.valueBins != nil {
			a.valueBins[r.opt.Value.Bin(v, ScoreBins)].Add(1)
		}
	}
}

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// ObservePair tells how the two answers to a mirrored request compare.
func (r *Recorder) ObservePair(p Pair) {
	s := r.enter()
	c := &s.pairs
	c.seen.Add(1)
	switch {
	case p.CanaryBad && p.StableBad:
		c.bothBad.Add(1)
	case p.CanaryBad:
		c.canaryOnlyBad.Add(1)
	case p.StableBad:
		c.stableOnlyBad.Add(1)
	default:
		if p.CanaryLatency > p.StableLatency {
			c.canarySlower.Add(1)
		}
		if p.Comparable {
			c.comparable.Add(1)
			if p.Disagree {
				c.disagree.Add(1)
			}
		}
		for i, a := range p.Aspects {
			if a != NotCompared {
				c.aspects[i].comparable.Add(1)
			}
			if a == Differs {
				c.aspects[i].disagree.Add(1)
			}
		}
	}
	s.leave()
}

// MirrorDropped counts a request that was to be mirrored and was not.
func (r *Recorder) MirrorDropped() {
	s := r.enter()
	s.pairs.dropped.Add(1)
	s.leave()
}
