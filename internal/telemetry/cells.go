package telemetry

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// A cell set is what writers add to between two snapshots. Every type here has
// add, called by writers, and drain, which moves what was added into the totals
// and leaves zero; drain runs while nobody writes.

type cell struct{ atomic.Int64 }

func (c *cell) drain(to *int64) {
	if n := c.Load(); n != 0 {
		*to += n
		c.Store(0)
	}
}

// row is a fixed number of cells.
type row []cell

func (r row) drain(to []int64) {
	for i := range r {
		r[i].drain(&to[i])
	}
}

// float is a sum of floating-point numbers.
type float struct{ bits atomic.Uint64 }

func (f *float) add(x float64) {
	for {
		old := f.bits.Load()
		if f.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+x)) {
			return
		}
	}
}

func (f *float) drain(to *float64) {
	*to += math.Float64frombits(f.bits.Load())
	f.bits.Store(0)
}

// moments are count, sum and sum of squares.
type moments struct {
	n          cell
	sum, sumSq float
}

func (m *moments) add(x float64) {
	m.n.Add(1)
	m.sum.add(x)
	m.sumSq.add(x * x)
}

func (m *moments) drain(to *Moments) {
	m.n.drain(&to.N)
	m.sum.drain(&to.Sum)
	m.sumSq.drain(&to.SumSq)
}

// armCells is one arm's part of a cell set, in the order of ArmCounts.
type armCells struct {
	requests, errors, cancelled cell
	forced, forcedErrors        cell
	warmup, stale, staleErrors  cell
	predictions, unread         cell
	latency, ttft, perToken     row
	latencySum                  cell // nanoseconds
	classes                     row
	confidenceBins, valueBins   row
	confidence, value           moments
	firstToken, tokenTime       moments
	groups, groupErrors         row
	alone, aloneErrors          row
	groupMeans                  [NumNumbers][]moments
	half, halfErrors            [2]cell
}

// init makes room for the histograms.
func (c *armCells) init(o Options) {
	for _, h := range []*row{&c.latency, &c.ttft, &c.perToken} {
		*h = make(row, len(o.Edges)+1)
	}
	c.classes = make(row, o.MaxClasses+1)
	c.confidenceBins = make(row, ScoreBins)
	if o.Value.IsSet() {
		c.valueBins = make(row, ScoreBins)
	}
	if o.Sticky {
		for _, h := range []*row{&c.groups, &c.groupErrors, &c.alone, &c.aloneErrors} {
			*h = make(row, Groups)
		}
		for i := range c.groupMeans {
			c.groupMeans[i] = make([]moments, Groups)
		}
	}
}

func (c *armCells) drain(to *ArmCounts) {
	c.requests.drain(&to.Requests)
	c.errors.drain(&to.Errors)
	c.cancelled.drain(&to.Cancelled)
	c.forced.drain(&to.Forced)
	c.forcedErrors.drain(&to.ForcedErrors)
	c.warmup.drain(&to.Warmup)
	c.stale.drain(&to.Stale)
	c.staleErrors.drain(&to.StaleErrors)
	c.predictions.drain(&to.Predictions)
	c.unread.drain(&to.Unread)
	c.latency.drain(to.Latency)
	c.latencySum.drain(&to.LatencySum)
	c.ttft.drain(to.TTFT)
	c.perToken.drain(to.PerToken)
	c.classes.drain(to.ByClass)
	c.confidenceBins.drain(to.ConfidenceBins)
	c.valueBins.drain(to.ValueBins)
	c.confidence.drain(&to.Confidence)
	c.value.drain(&to.Value)
	c.firstToken.drain(&to.TTFTMoments)
	c.tokenTime.drain(&to.PerTokenMoments)
	c.groups.drain(to.GroupRequests)
	c.groupErrors.drain(to.GroupErrors)
	c.alone.drain(to.AloneRequests)
	c.aloneErrors.drain(to.AloneErrors)
	for i, groups := range c.groupMeans {
		for g := range groups {
			groups[g].drain(&to.GroupMeans[i][g])
		}
	}
	for i := range c.half {
		c.half[i].drain(&to.HalfRequests[i])
		c.halfErrors[i].drain(&to.HalfErrors[i])
	}
}

// cellSet is everything that is swapped at a snapshot.
type cellSet struct {
	arms  []armCells
	pairs pairCells
	done  atomic.Uint64 // writers that have left
}

type pairCells struct {
	seen, comparable, disagree     cell
	canaryOnlyBad, stableOnlyBad   cell
	bothBad, canarySlower, dropped cell
	aspects                        [NumAspects]struct{ comparable, disagree cell }
}

func (c *pairCells) drain(to *PairCounts) {
	c.seen.drain(&to.Seen)
	c.comparable.drain(&to.Comparable)
	c.disagree.drain(&to.Disagree)
	c.canaryOnlyBad.drain(&to.CanaryOnlyBad)
	c.stableOnlyBad.drain(&to.StableOnlyBad)
	c.bothBad.drain(&to.BothBad)
	c.canarySlower.drain(&to.CanarySlower)
	c.dropped.drain(&to.Dropped)
	for i := range c.aspects {
		c.aspects[i].comparable.drain(&to.Aspects[i].Comparable)
		c.aspects[i].disagree.drain(&to.Aspects[i].Disagree)
	}
}

// bin returns the index of the first edge that d does not exceed, len(edges) if
// it exceeds them all.
func bin(edges []time.Duration, d time.Duration) int {
	i, _ := slices.BinarySearch(edges, d)
	return i
}
