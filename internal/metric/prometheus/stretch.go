package prometheus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// part is one part of one metric in one block.
type part struct {
	metric   analysis.Metric // the zero Metric for random decisions
	negative bool            // a label that is missing is an answer
	name     string
	plain    string // the selector, without what tells arms apart
	selector string
	layout   *layout
	counters counters
	gains    sides
}

// armless reports whether no label tells arms apart: pairs are of both, halves of
// stable.
func (p *part) armless() bool { return p.metric.Kind == analysis.Pairs || p.name == partHalves }

// parts lists what is to be asked. A metric whose series are not known is left
// out: it has come into the file since.
func (s *Source) parts(q metric.Query, c cursor, who Attribution) []*part {
	var out []*part
	for _, m := range q.Metrics {
		series := s.cfg.Series[m.Name]
		about := s.cfg.Metrics[m.Name]
		about.Name, about.Kind = m.Name, m.Kind
		for _, name := range series.parts(m.Kind) {
			selector := series[name]
			l := &layout{selector: selector, unit: 1, edges: c.Edges[m.Name], bins: slices.Clone(c.Bins[m.Name]), owed: c.Owed[m.Name]}
			l.negative = m.Negative
			if name == partGroupPredictions && !m.Negative {
				continue // of a label that is missing nothing is known
			}
			if name == partBuckets {
				selector = eitherForm(selector)
				if m.Kind == analysis.Latency {
					l.unit = unit(series[name])
				}
			}
			p := &part{metric: about, negative: m.Negative, name: name, plain: series[name], layout: l}
			if p.selector = with(selector, s.cfg.Match); !p.armless() {
				p.selector = with(p.selector, who.Match)
			}
			out = append(out, p)
		}
	}
	if s.cfg.Assigned != "" {
		out = append(out, &part{name: partAssigned, plain: s.cfg.Assigned, selector: with(s.cfg.Assigned, s.cfg.Match, who.Match)})
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
		some, err := s.before(ctx, p, answers[i], over.from, c)
		if err != nil {
			return err
		}
		found = found || some || slices.ContainsFunc(answers[i], func(x *model.SampleStream) bool { return begins(x) <= from })
	}
	for i, p := range parts {
		p.counters.born = found
		gains, err := p.counters.take(answers[i], from)
		if err != nil {
			return fmt.Errorf("%s %w", p.selector, err)
		}
		gains = slices.DeleteFunc(gains, func(g gain) bool { return !s.belongs(g, c) })
		if p.armless() {
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
// a time: each has begun since, or was away for some scrapes. It returns whether the
// server knew of any series then.
func (s *Source) before(ctx context.Context, p *part, answer model.Matrix, from time.Time, c cursor) (bool, error) {
	at := model.TimeFromUnixNano(from.UnixNano())
	unknown := map[model.Fingerprint]bool{}
	for _, x := range answer {
		if begins(x) > at {
			unknown[x.Metric.Fingerprint()] = true
		}
	}
	if len(unknown) == 0 {
		return false, nil
	}
	values, err := s.server.last(ctx, p.selector, from, longest)
	if err != nil {
		return false, err
	}
	away := slices.DeleteFunc(slices.Clone(values), func(v *model.Sample) bool { return !unknown[v.Metric.Fingerprint()] })
	if len(away) == 0 {
		return len(values) > 0, nil
	}
	// The server tells a value and not how old it is. What matters is on which side
	// of the floor.
	since := map[model.Fingerprint]bool{}
	if over := from.Sub(time.UnixMilli(c.Floor)); over > 0 {
		later, err := s.server.last(ctx, p.selector, from, min(over, longest)+time.Millisecond) // the floor itself, too
		if err != nil {
			return false, err
		}
		for _, v := range later {
			since[v.Metric.Fingerprint()] = true
		}
	}
	var known model.Matrix
	for _, v := range away {
		when := model.Time(c.Floor)
		if !since[v.Metric.Fingerprint()] {
			when--
		}
		x := &model.SampleStream{Metric: v.Metric}
		if v.Histogram != nil {
			x.Histograms = []model.SampleHistogramPair{{Timestamp: when, Histogram: v.Histogram}}
		} else {
			x.Values = []model.SamplePair{{Timestamp: when, Value: v.Value}}
		}
		known = append(known, x)
	}
	_, err = p.counters.take(known, at)
	return true, err
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
			if out.Assigned, err = assigned(p.gains, s.cfg.Treatment); err != nil {
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
		switch out.Metrics[name], ok = complete(p.metric, s.cfg.Series[name], x); {
		case !ok:
			delete(out.Metrics, name)
		case p.negative && s.cfg.Series[name][partPredictions] != "":
			out.Metrics[name] = missingIsNegative(out.Metrics[name])
		case s.cfg.Series[name][partPredictions] != "":
			x := out.Metrics[name]
			for _, c := range []*analysis.Counts{&x.Stable, &x.Canary} {
				c.Groups = judgedWithin(c.Groups, labelled(*c))
			}
			out.Metrics[name] = x
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

// remember keeps what the next blocks must agree with.
func (c *cursor) remember(parts []*part) {
	c.Edges, c.Bins, c.Owed = map[string][]float64{}, map[string][]string{}, map[string]arrears{}
	for _, p := range parts {
		if p.layout != nil && p.layout.edges != nil {
			c.Edges[p.metric.Name] = p.layout.edges
		}
		if p.layout != nil && p.layout.bins != nil {
			c.Bins[p.metric.Name] = p.layout.bins
		}
		if p.name == partLabels {
			c.Owed[p.metric.Name] = p.layout.owed
		}
	}
}
