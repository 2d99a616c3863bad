package prometheus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	// DefaultScrapeInterval is how often processes are taken to be scraped.
	DefaultScrapeInterval = 15 * time.Second
	// scrapesPerBlock is how many scrapes a block must hold, so that what
	// happened between two of them is in it.
	scrapesPerBlock = 2
	// longestScrape is how long a scrape may take by default: its samples have
	// the time at which it began, and are there when it has ended.
	longestScrape = 10 * time.Second
	// longest is how much of the past one block makes up for. What is older is
	// left out.
	longest = time.Hour
	// scrapesBack is how many scrapes before a block the value at its beginning
	// is looked for at first. One that is older is asked for by itself.
	scrapesBack = 4
)

// Config is what a Source needs. Address, Arms and Series are required.
type Config struct {
	Address   string
	Transport http.RoundTripper                     // nil for the default
	Token     func(context.Context) (string, error) // of every question; nil for none
	Arms      Arms
	Match     string                     // label matchers added to every selector
	Metrics   map[string]analysis.Metric // what the metrics are, for the bounds of means
	Series    map[string]Series          // by name of the metric
	Assigned  string                     // counter of random decisions with the label weight; "" if there is none
	// ScrapeInterval is the longest of the processes asked about; 0 is
	// DefaultScrapeInterval.
	ScrapeInterval time.Duration
}

// Source counts what one rollout's arms did while it runs. It implements
// metric.Source.
type Source struct {
	cfg    Config
	server *server
	lag    time.Duration
}

var _ metric.Source = (*Source)(nil)

// New returns the source of one rollout. It asks nobody anything. The error names
// what is missing.
func New(c Config) (*Source, error) {
	if c.ScrapeInterval <= 0 {
		c.ScrapeInterval = DefaultScrapeInterval
	}
	if c.Arms == nil {
		return nil, errors.New("nothing says which series are of which arm")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		if err := c.Series[name].complete(c.Metrics[name]); err != nil {
			return nil, err
		}
	}
	s, err := connect(c.Address, c.Transport, c.Token)
	if err != nil {
		return nil, err
	}
	return &Source{c, s, min(c.ScrapeInterval, longestScrape)}, nil
}

// Collect implements metric.Source. The block it returns ends a scrape before the
// window does, and has no counts, and the cursor it was asked after, while it
// would hold less than two scrapes.
func (s *Source) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	c := s.begin(q, w)
	until := w.End.Add(-s.lag).Truncate(time.Millisecond)
	if until.Sub(c.at()) < scrapesPerBlock*s.cfg.ScrapeInterval {
		return analysis.Sample{Start: c.at(), End: c.at(), Cursor: c.String()}, nil
	}
	if oldest := until.Add(-longest); c.at().Before(oldest) {
		c.At = oldest.UnixMilli()
	}
	who, err := s.cfg.Arms.Series(ctx, q.Revision)
	if err != nil {
		return analysis.Sample{}, fmt.Errorf("%w: which series are of which arm: %w", metric.ErrUnavailable, err)
	}
	parts := s.parts(q, c, who)
	if !who.None {
		for from := c.at(); from.Before(until); {
			end := earliest(from.Add(piece), until)
			if err := s.stretch(ctx, parts, span{from, end}, c, who); err != nil {
				return analysis.Sample{}, err
			}
			from = end
		}
	}
	sample := analysis.Sample{Start: c.at(), End: until, Metrics: map[string]analysis.Measure{}}
	if err := s.fill(&sample, parts, who); err != nil {
		return analysis.Sample{}, err
	}
	c.At = until.UnixMilli()
	c.Edges, c.Bins = remembered(parts)
	sample.Cursor = c.String()
	return sample, nil
}

// begin says where the block begins.
func (s *Source) begin(q metric.Query, w metric.Window) cursor {
	start := w.Start
	if start.IsZero() {
		start = w.End // nothing before is anybody's
	}
	at := start.UnixMilli()
	c, ok := parse(w.After)
	if !ok || c.Revision != q.Revision || c.at().Sub(w.End) > longest { // the last: clocks were set back
		return cursor{Revision: q.Revision, At: at, Floor: at, Weight: w.Weight}
	}
	if c.Weight != w.Weight {
		c.At, c.Floor, c.Weight = max(c.At, at), at, w.Weight
	}
	return c
}

// part is one part of one metric in one block.
type part struct {
	metric   analysis.Metric // the zero Metric for random decisions
	name     string
	selector string
	layout   *layout
	counters counters
	gains    sides
}

// parts lists what is to be asked. A metric whose series are not known is left
// out: it has come into the file since.
func (s *Source) parts(q metric.Query, c cursor, who Attribution) []*part {
	var out []*part
	for _, m := range q.Metrics {
		series := s.cfg.Series[m.Name]
		about := s.cfg.Metrics[m.Name]
		about.Name, about.Kind = m.Name, m.Kind
		match := who.Match
		if m.Kind == analysis.Pairs {
			match = "" // of both arms at once
		}
		for _, name := range series.parts(m.Kind) {
			selector := series[name]
			l := &layout{selector: selector, unit: 1, edges: c.Edges[m.Name], bins: slices.Clone(c.Bins[m.Name])}
			if name == partBuckets {
				selector = eitherForm(selector)
				if m.Kind == analysis.Latency {
					l.unit = unit(series[name])
				}
			}
			out = append(out, &part{metric: about, name: name, selector: with(selector, s.cfg.Match, match), layout: l})
		}
	}
	if s.cfg.Assigned != "" {
		out = append(out, &part{name: partAssigned, selector: with(s.cfg.Assigned, s.cfg.Match, who.Match)})
	}
	return out
}

// span is the time after from, up to end.
type span struct{ from, end time.Time }

// stretch adds what all parts gained in a span. Each part is one answer, in which
// the samples before the span are too: servers that take turns have scraped at
// different times, and would look like resets.
func (s *Source) stretch(ctx context.Context, parts []*part, over span, c cursor, who Attribution) error {
	from := model.TimeFromUnixNano(over.from.UnixNano())
	found := false
	answers := make([]model.Matrix, len(parts))
	for i, p := range parts {
		var err error
		if answers[i], err = s.server.ranged(ctx, p.selector, over.end, over.end.Sub(over.from)+scrapesBack*s.cfg.ScrapeInterval); err != nil {
			return err
		}
		p.counters = counters{}
		if err := s.before(ctx, p, answers[i], over.from); err != nil {
			return err
		}
		found = found || len(p.counters.known) > 0 || slices.ContainsFunc(answers[i], func(x *model.SampleStream) bool { return begins(x) <= from })
	}
	for i, p := range parts {
		p.counters.born = found
		gains, err := p.counters.take(answers[i], from)
		if err != nil {
			return fmt.Errorf("%s %w", p.selector, err)
		}
		gains = slices.DeleteFunc(gains, func(g gain) bool { return !s.belongs(g, c) })
		if p.metric.Kind == analysis.Pairs {
			p.gains[traffic.Stable] = append(p.gains[traffic.Stable], gains...)
			continue
		}
		for arm, more := range who.split(gains) {
			p.gains[arm] = append(p.gains[arm], more...)
		}
	}
	return nil
}

// belongs reports whether all of a gain came while the traffic was shared as now.
// A series that began did so since the scrape before.
func (s *Source) belongs(g gain, c cursor) bool {
	since := g.since.Time()
	if g.since == never {
		since = g.at.Time().Add(-s.cfg.ScrapeInterval)
	}
	return since.UnixMilli() >= c.Floor
}

// before looks for the values of those series of an answer that have none before
// a time: each has begun since, or was away for some scrapes.
func (s *Source) before(ctx context.Context, p *part, answer model.Matrix, from time.Time) error {
	at := model.TimeFromUnixNano(from.UnixNano())
	unknown := map[model.Fingerprint]bool{}
	for _, x := range answer {
		if begins(x) > at {
			unknown[x.Metric.Fingerprint()] = true
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	values, err := s.server.last(ctx, p.selector, from, longest)
	if err != nil {
		return err
	}
	earlier := model.TimeFromUnixNano(from.Add(-scrapesBack * s.cfg.ScrapeInterval).UnixNano())
	var known model.Matrix
	for _, v := range values {
		if !unknown[v.Metric.Fingerprint()] {
			continue
		}
		x := &model.SampleStream{Metric: v.Metric}
		if v.Histogram != nil {
			x.Histograms = []model.SampleHistogramPair{{Timestamp: earlier, Histogram: v.Histogram}}
		} else {
			x.Values = []model.SamplePair{{Timestamp: earlier, Value: v.Value}}
		}
		known = append(known, x)
	}
	_, err = p.counters.take(known, at)
	return err
}

// begins returns the time of the first sample.
func begins(x *model.SampleStream) model.Time {
	first := model.Latest
	if len(x.Values) > 0 {
		first = x.Values[0].Timestamp
	}
	if len(x.Histograms) > 0 {
		first = min(first, x.Histograms[0].Timestamp)
	}
	return first
}

// fill puts the gains of all parts into a sample.
func (s *Source) fill(out *analysis.Sample, parts []*part, who Attribution) error {
	done := map[string]bool{}
	for _, p := range parts {
		if p.name == partAssigned {
			var err error
			if out.Assigned, err = assigned(p.gains); err != nil {
				return err
			}
			continue
		}
		if p.name == partBuckets {
			if err := p.layout.fit(p.known(who), least(p.metric.Kind)); err != nil {
				return fmt.Errorf("metric %s: %w", p.metric.Name, err)
			}
		}
		x := out.Metrics[p.metric.Name]
		if err := p.layout.add(&x, p.name, p.gains); err != nil {
			return fmt.Errorf("metric %s: %w", p.metric.Name, err)
		}
		out.Metrics[p.metric.Name] = x
	}
	for _, p := range parts {
		name := p.metric.Name
		x, asked := out.Metrics[name]
		if !asked || p.name == partAssigned || done[name] {
			continue
		}
		done[name] = true
		var ok bool
		if out.Metrics[name], ok = complete(p.metric, s.cfg.Series[name], x); !ok {
			delete(out.Metrics, name)
		}
	}
	return nil
}

// known are the series of either arm.
func (p *part) known(who Attribution) []*counter {
	var out []*counter
	for _, k := range p.counters.known {
		if _, ok := who.Arm(text(k.labels)); ok {
			out = append(out, k)
		}
	}
	return out
}

// remembered is what the next blocks must agree with, by metric.
func remembered(parts []*part) (edges map[string][]float64, bins map[string][]string) {
	edges, bins = map[string][]float64{}, map[string][]string{}
	for _, p := range parts {
		if p.layout != nil && p.layout.edges != nil {
			edges[p.metric.Name] = p.layout.edges
		}
		if p.layout != nil && p.layout.bins != nil {
			bins[p.metric.Name] = p.layout.bins
		}
	}
	return edges, bins
}
