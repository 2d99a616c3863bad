package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Many counts an experiment with variants: each treatment beside stable, over the
// same stretch of time. It implements metric.Source and is safe for concurrent use.
type Many struct{ pairs []*Source }

var _ metric.Source = (*Many)(nil)

// NewMany returns the source of an experiment whose treatments, from the canary on
// and in their order, are told apart from stable by each of these.
func NewMany(c Config, treatments []Arms) (*Many, error) {
	m := &Many{}
	for i, arms := range treatments {
		c.Arms, c.Treatment = arms, traffic.Canary+traffic.Arm(i)
		s, err := New(c)
		if err != nil {
			return nil, err
		}
		m.pairs = append(m.pairs, s)
	}
	return m, nil
}

// Missing is Source.Missing, of any treatment.
func (m *Many) Missing() []string {
	var out []string
	for _, s := range m.pairs {
		out = append(out, s.Missing()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Collect implements metric.Source. All pairs begin where the last block ended and
// end at the same time: they are asked with the same window, and one that cannot be
// counted leaves all to be asked for again.
func (m *Many) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	var out analysis.Sample
	after := make([]string, len(m.pairs))
	if w.After != "" && (json.Unmarshal([]byte(w.After), &after) != nil || len(after) != len(m.pairs)) {
		after = make([]string, len(m.pairs)) // another source's, or of other arms
	}
	samples, err := m.collect(ctx, q, w, after)
	if err != nil {
		return analysis.Sample{}, err
	}
	cursors := make([]string, len(m.pairs))
	for i, s := range m.pairs {
		x := samples[i]
		for _, about := range q.Metrics {
			if y, ok := x.Metrics[about.Name]; ok && !about.Everyone {
				x.Metrics[about.Name] = ofPair(y, q.Slots, s.cfg.Treatment)
			}
		}
		cursors[i] = x.Cursor
		if i == 0 {
			out = x
			continue
		}
		if !x.Start.Equal(out.Start) || !x.End.Equal(out.End) {
			return analysis.Sample{}, fmt.Errorf("%w: arms were counted over other stretches of time", metric.ErrUnavailable)
		}
		out.Variants = append(out.Variants, analysis.Variant{Assigned: x.Assigned, Metrics: x.Metrics})
	}
	text, err := json.Marshal(cursors)
	if err != nil {
		return analysis.Sample{}, fmt.Errorf("write where the counts end: %w", err)
	}
	out.Cursor = string(text)
	return out, nil
}

// sideBySide is how many pairs are asked for at the same time: each asks some
// twenty questions one after the other, and an answer may be large.
const sideBySide = 3

// collect asks for all pairs, each from its own cursor on.
func (m *Many) collect(ctx context.Context, q metric.Query, w metric.Window, after []string) ([]analysis.Sample, error) {
	out := make([]analysis.Sample, len(m.pairs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(sideBySide)
	for i, s := range m.pairs {
		own := w
		own.After = after[i]
		g.Go(func() (err error) {
			out[i], err = s.Collect(ctx, q, own)
			return err
		})
	}
	return out, g.Wait()
}

// ofPair leaves the groups of users of a pair.
func ofPair(x analysis.Measure, slots string, treatment traffic.Arm) analysis.Measure {
	x.Before = metric.OfPair(slots, treatment, x.Before)
	for _, c := range []*analysis.Counts{&x.Stable, &x.Canary} {
		c.Groups, c.Values = metric.OfPair(slots, treatment, c.Groups), metric.OfPair(slots, treatment, c.Values)
	}
	return x
}
