package telemetry

import (
	"cmp"
	"runtime"
	"slices"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// Snapshot is everything counted up to one moment, or between two. It must not
// be changed; parts of it are shared with other snapshots.
type Snapshot struct {
	Edges    []float64 // upper edges of the latency histograms, in seconds
	Classes  []string  // names of ByClass, whose last count is OtherClass
	Arms     []ArmCounts
	Pairs    PairCounts
	Assigned []Assigned // by weight, ascending
}

// ArmCounts is one arm. Histograms have one count more than Snapshot has edges,
// for what lies beyond the last.
type ArmCounts struct {
	// Evidence: requests randomly assigned under the newest generation.
	Requests   int64 // answered or failed
	Errors     int64 // of those, failed
	Cancelled  int64 // given up by the client first, and in no other count but latency
	Latency    []int64
	LatencySum int64   // nanoseconds of what Latency counts
	TTFT       []int64 // time to first token
	PerToken   []int64 // time per output token
	// By group of users, of those decided by a sticky key; nil unless sticky. Alone
	// are those from when stable had all random traffic: all groups alike.
	GroupRequests, GroupErrors []int64
	AloneRequests, AloneErrors []int64
	// The numbers below by group of users; nil unless sticky.
	GroupMeans [NumNumbers][]Moments
	// In two halves by a draw, of those without a sticky key, for the A/A control.
	HalfRequests, HalfErrors [2]int64

	// Of the requests above that were answered.
	Predictions     int64 // read
	Unread          int64 // answers, or single predictions in them, that could not be read
	ByClass         []int64
	ConfidenceBins  []int64 // ScoreBins equal bins of [0, 1]
	ValueBins       []int64 // ScoreBins equal bins of Options.Value; nil without
	Confidence      Moments
	Value           Moments
	TTFTMoments     Moments // seconds
	PerTokenMoments Moments // seconds

	// No evidence.
	Forced, ForcedErrors int64 // put there by a match
	Stale, StaleErrors   int64 // decided before the newest generation
	Warmup               int64
}

// Number is one of the numbers that answers have.
type Number int

// The numbers.
const (
	Confidence Number = iota
	Value
	TTFT
	PerToken
	NumNumbers
)

// Moments are count, sum and sum of squares of a number.
type Moments struct {
	N          int64
	Sum, SumSq float64
}

// Mean returns the average; ok is false of nothing.
func (m Moments) Mean() (mean float64, ok bool) {
	if m.N <= 0 {
		return 0, false
	}
	return m.Sum / float64(m.N), true
}

// PairCounts is what mirrored requests showed.
type PairCounts struct {
	Seen          int64 // both answers are in
	Comparable    int64 // both are good and could be read
	Disagree      int64 // of Comparable
	Aspects       [NumAspects]Compared
	CanaryOnlyBad int64
	StableOnlyBad int64
	BothBad       int64
	CanarySlower  int64 // of those where both are good
	Dropped       int64 // were to be mirrored and were not
}

// Compared counts the pairs that could be compared by one aspect, and of those
// the ones that differ.
type Compared struct{ Comparable, Disagree int64 }

// Assigned counts the random decisions at one division of traffic, as the traffic
// check wants them.
type Assigned struct {
	Weight         traffic.Weight
	Stable, Canary int64
	// Of an experiment with variants: what the division was, and those to each.
	Slots    string
	Variants []int64
}

// order puts them by weight, then by slots.
func (a Assigned) order(b Assigned) int {
	if c := cmp.Compare(a.Weight, b.Weight); c != 0 {
		return c
	}
	return cmp.Compare(a.Slots, b.Slots)
}

func emptySnapshot(o Options) Snapshot {
	s := Snapshot{Edges: make([]float64, len(o.Edges)), Arms: make([]ArmCounts, o.Arms)}
	for i, e := range o.Edges {
		s.Edges[i] = e.Seconds()
	}
	for i := range s.Arms {
		bins := func() []int64 { return make([]int64, len(o.Edges)+1) }
		s.Arms[i] = ArmCounts{
			Latency: bins(), TTFT: bins(), PerToken: bins(),
			ByClass: make([]int64, o.MaxClasses+1), ConfidenceBins: make([]int64, ScoreBins),
		}
		if o.Value.IsSet() {
			s.Arms[i].ValueBins = make([]int64, ScoreBins)
		}
		if o.Sticky {
			for _, h := range s.Arms[i].byGroup() {
				*h = make([]int64, Groups)
			}
			for j := range s.Arms[i].GroupMeans {
				s.Arms[i].GroupMeans[j] = make([]Moments, Groups)
			}
		}
	}
	return s
}

// Snapshot returns everything counted so far. Every request observed before the
// call is in it, and every request is in it whole or not at all.
func (r *Recorder) Snapshot() *Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	// The only one to change the highest bit is this method, under the lock.
	hot := r.gate.Load() & hotBit
	entered := r.gate.Swap(hot^hotBit) &^ hotBit
	cold := &r.sets[hot>>63]
	for cold.done.Load() != entered {
		runtime.Gosched() // a writer needs well under a microsecond
	}
	cold.done.Store(0)
	for arm := range cold.arms {
		cold.arms[arm].drain(&r.total.Arms[arm])
	}
	cold.pairs.drain(&r.total.Pairs)
	r.total.Classes = r.classes.names()
	r.total.Assigned = r.assigned.snapshot(r.opt.Arms)
	return r.total.clone()
}

func (s *Snapshot) clone() *Snapshot {
	c := *s
	c.Arms = slices.Clone(s.Arms)
	for i := range c.Arms {
		for _, h := range c.Arms[i].histograms() {
			*h = slices.Clone(*h)
		}
		for j, m := range c.Arms[i].GroupMeans {
			c.Arms[i].GroupMeans[j] = slices.Clone(m)
		}
	}
	return &c
}

// histograms returns every list of counts, so that they can be treated alike.
func (a *ArmCounts) histograms() []*[]int64 {
	all := []*[]int64{&a.Latency, &a.TTFT, &a.PerToken, &a.ByClass, &a.ConfidenceBins, &a.ValueBins}
	return append(all, a.byGroup()...)
}

func (a *ArmCounts) byGroup() []*[]int64 {
	return []*[]int64{&a.GroupRequests, &a.GroupErrors, &a.AloneRequests, &a.AloneErrors}
}

func (a *ArmCounts) numbers() []*int64 {
	return []*int64{
		&a.Requests, &a.Errors, &a.Cancelled, &a.LatencySum, &a.Predictions, &a.Unread,
		&a.HalfRequests[0], &a.HalfRequests[1], &a.HalfErrors[0], &a.HalfErrors[1],
		&a.Forced, &a.ForcedErrors, &a.Stale, &a.StaleErrors, &a.Warmup,
	}
}

func (a *ArmCounts) moments() []*Moments {
	out := []*Moments{&a.Confidence, &a.Value, &a.TTFTMoments, &a.PerTokenMoments}
	for _, groups := range a.GroupMeans {
		for i := range groups {
			out = append(out, &groups[i])
		}
	}
	return out
}

func (p *PairCounts) numbers() []*int64 {
	out := []*int64{
		&p.Seen, &p.Comparable, &p.Disagree, &p.CanaryOnlyBad, &p.StableOnlyBad,
		&p.BothBad, &p.CanarySlower, &p.Dropped,
	}
	for i := range p.Aspects {
		out = append(out, &p.Aspects[i].Comparable, &p.Aspects[i].Disagree)
	}
	return out
}

// Sub returns what was counted after prev, an earlier snapshot of the same
// Recorder; nil stands for its beginning. Neither is changed.
func (s *Snapshot) Sub(prev *Snapshot) *Snapshot {
	d := s.clone()
	if prev == nil {
		return d
	}
	for i := range d.Arms {
		a, b := &d.Arms[i], prev.Arms[i]
		subtract(a.numbers(), b.numbers())
		old := b.histograms()
		for j, h := range a.histograms() {
			for k := range *h {
				(*h)[k] -= (*old[j])[k]
			}
		}
		oldMoments := b.moments()
		for j, m := range a.moments() {
			m.N -= oldMoments[j].N
			m.Sum -= oldMoments[j].Sum
			m.SumSq -= oldMoments[j].SumSq
		}
	}
	subtract(d.Pairs.numbers(), prev.Pairs.numbers())
	d.Assigned = subtractAssigned(s.Assigned, prev.Assigned)
	return d
}

func subtract(from, these []*int64) {
	for i, n := range from {
		*n -= *these[i]
	}
}

// subtractAssigned leaves out weights at which nothing happened.
func subtractAssigned(now, then []Assigned) []Assigned {
	var out []Assigned
	for _, a := range now {
		i, ok := slices.BinarySearchFunc(then, a, Assigned.order)
		any := false
		a.Variants = slices.Clone(a.Variants)
		for j, n := range a.Variants {
			if ok {
				a.Variants[j] = n - then[i].Variants[j]
			}
			any = any || a.Variants[j] != 0
		}
		if ok {
			a.Stable -= then[i].Stable
			a.Canary -= then[i].Canary
		}
		if any || a.Stable != 0 || a.Canary != 0 {
			out = append(out, a)
		}
	}
	return out
}
