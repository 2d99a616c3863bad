package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// The pieces in which samples are asked for, and how far before the range the
// values at its beginning are looked for, which is as far as the server itself
// looks back.
const (
	piece    = 10 * time.Minute
	lookback = 5 * time.Minute
)

// MaxBlocks bounds how many blocks one range may have.
const MaxBlocks = 1_000_000

// Options say where counts are and which are wanted.
type Options struct {
	Address   string
	Transport http.RoundTripper                     // nil for the default
	Token     func(context.Context) (string, error) // of every question; nil for none
	Stable    string                                // label matchers of each arm's series: `version="v1"`
	Canary    string
	Match     string            // and of series that are of no arm, such as pairs
	Series    map[string]Series // by name of the metric
	Assigned  string            // counter of random decisions with the label weight; "" if there is none
	Weight    float64           // the canary's share of traffic, where Assigned is ""
	From, To  time.Time
	Block     time.Duration
}

// Block is what both arms counted over one stretch of time.
type Block struct {
	Start, End time.Time
	Weight     float64
	Assigned   []analysis.Assignment
	Metrics    map[string]analysis.Measure
}

// Read gives the blocks of a range of time to take, in order. The last block
// ends with the range and may be shorter than the others. A block in which the
// weight changed has no counts, since it compares nothing. An error of take ends
// it.
func Read(ctx context.Context, metrics []analysis.Metric, o Options, take func(Block) error) error {
	if err := o.Check(metrics); err != nil {
		return err
	}
	server, err := connect(o.Address, o.Transport, o.Token)
	if err != nil {
		return err
	}
	r := &reader{server: server, o: o, metrics: metrics, weight: o.Weight, sources: sources(metrics, o)}
	if err := r.fetch(ctx, o.From, lookback); err != nil {
		return err
	}
	for _, s := range r.sources {
		for _, a := range s.arms {
			a.counters.born = a.counters.born || r.found // its arm may come later than the other
		}
	}
	for at := o.From; at.Before(o.To); {
		end := earliest(at.Add(max(piece/o.Block, 1)*o.Block), o.To)
		if err := r.fetch(ctx, end, end.Sub(at)); err != nil {
			return err
		}
		for at.Before(end) {
			next := earliest(at.Add(o.Block), end)
			b, err := r.block(at, next)
			if err != nil {
				return err
			}
			if err := take(b); err != nil {
				return err
			}
			at = next
		}
	}
	return nil
}

// Check reports what is missing or contradictory, before any server is asked.
func (o Options) Check(metrics []analysis.Metric) error {
	switch {
	case o.Block <= 0:
		return errors.New("the length of a block must be above 0")
	case !o.From.Before(o.To):
		return fmt.Errorf("the range ends at %s, before it begins", o.To.Format(time.RFC3339))
	case o.To.Sub(o.From)/o.Block > MaxBlocks:
		return fmt.Errorf("more than %d blocks of %s: shorten the range or lengthen the block", MaxBlocks, o.Block)
	case o.Stable == o.Canary:
		return errors.New("the series of both arms are matched alike: say what tells stable's and the canary's apart")
	case o.Assigned == "" && (o.Weight <= 0 || o.Weight >= 1):
		return errors.New("which share of the traffic did the canary get? These series do not tell")
	}
	for _, m := range metrics {
		if err := o.Series[m.Name].complete(m); err != nil {
			return err
		}
	}
	return nil
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func sorted[T cmp.Ordered](s iter.Seq[T]) []T { return slices.Sorted(s) }

// reader is one Read under way.
type reader struct {
	server  *server
	o       Options
	metrics []analysis.Metric
	sources []*source
	found   bool // some series was there before the range
	weight  float64
}

// source is one part of one metric.
type source struct {
	metric analysis.Metric // the zero Metric for random decisions
	part   string
	arms   []*asked
	layout *layout
}

// asked is one arm's series of a source, or those of no arm under stable's name.
type asked struct {
	arm      traffic.Arm
	selector string
	counters counters
	waiting  []gain // of blocks still to come, by time
}

func sources(metrics []analysis.Metric, o Options) []*source {
	var out []*source
	add := func(m analysis.Metric, part, selector string) {
		s := &source{metric: m, part: part, layout: &layout{selector: selector, unit: 1}}
		if part == partBuckets {
			if m.Kind == analysis.Latency {
				s.layout.unit = unit(selector)
			}
			selector = eitherForm(selector)
		}
		if m.Kind == analysis.Pairs || part == partHalves {
			s.arms = []*asked{{selector: with(selector, o.Match)}}
		} else {
			s.arms = []*asked{
				{arm: traffic.Stable, selector: with(selector, o.Stable)}, {arm: traffic.Canary, selector: with(selector, o.Canary)},
			}
		}
		out = append(out, s)
	}
	for _, m := range metrics {
		for _, part := range o.Series[m.Name].parts(m.Kind) {
			add(m, part, o.Series[m.Name][part])
		}
	}
	if o.Assigned != "" {
		add(analysis.Metric{}, partAssigned, o.Assigned)
	}
	return out
}

// fetch asks for the samples of every source over the time up to end.
func (r *reader) fetch(ctx context.Context, end time.Time, over time.Duration) error {
	from := model.TimeFromUnixNano(r.o.From.UnixNano())
	for _, s := range r.sources {
		for _, a := range s.arms {
			m, err := r.server.ranged(ctx, a.selector, end, over)
			if err != nil {
				return err
			}
			r.found = r.found || len(m) > 0
			gains, err := a.counters.take(m, from)
			if err != nil {
				return fmt.Errorf("%s %w", a.selector, err)
			}
			a.waiting = append(a.waiting, gains...)
			slices.SortStableFunc(a.waiting, func(a, b gain) int { return cmp.Compare(a.at, b.at) })
		}
	}
	return nil
}
