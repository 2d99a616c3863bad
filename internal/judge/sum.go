package judge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Totals is everything that a record counted.
type Totals struct {
	Seconds float64                     // of all blocks together
	Metrics map[string]analysis.Measure // by name
}

// Sum adds up all blocks of all rollouts of a record, for the metrics of a plan.
// Histograms must have the same edges throughout. The error is *LineError if the
// record is at fault.
func Sum(ctx context.Context, name string, r io.Reader, p rollout.Plan) (Totals, error) {
	out := Totals{Metrics: map[string]analysis.Measure{}}
	rules, err := NewRules(p, Both)
	if err != nil {
		return out, err
	}
	d, ends := newDecoder(rules.config), map[string]float64{}
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), MaxLine)
	for n := int64(1); in.Scan(); n++ {
		if ctx.Err() != nil {
			return out, fmt.Errorf("read %s: %w", name, ctx.Err())
		}
		text := bytes.TrimSpace(in.Bytes())
		if len(text) == 0 {
			continue
		}
		id, b, err := d.line(text)
		if err == nil {
			err = out.add(rules, b, ends, id)
		}
		if f := (*fieldError)(nil); errors.As(err, &f) {
			return out, &LineError{name, n, f.field, f.message}
		}
	}
	if err := in.Err(); err != nil {
		return out, fmt.Errorf("read %s: %w", name, err)
	}
	return out, nil
}

// add adds one block; ends holds when the newest block of each rollout ended.
func (t *Totals) add(r Rules, b Block, ends map[string]float64, id string) error {
	last, seen := ends[id]
	if err := r.follows(b, last, !seen); err != nil {
		return err
	}
	t.Seconds += b.T - r.begins(b, last, !seen)
	ends[id] = b.T
	for name, x := range b.Metrics {
		sum, ok := t.Metrics[name]
		switch {
		case !ok:
			x.Stable.Counts, x.Canary.Counts = slices.Clone(x.Stable.Counts), slices.Clone(x.Canary.Counts)
			t.Metrics[name] = x
			continue
		case !slices.Equal(sum.Edges, x.Edges):
			return wrong("metrics."+name+".edges", "are not those of the lines before: a sum needs the same throughout")
		case len(x.Bins) < len(sum.Bins) || !slices.Equal(sum.Bins, x.Bins[:len(sum.Bins)]):
			return wrong("metrics."+name+".bins", "are not those of the lines before: only new ones may follow them")
		}
		sum.Bins = x.Bins
		sum.Pairs, sum.Disagree = sum.Pairs+x.Pairs, sum.Disagree+x.Disagree
		sum.CanaryOnlyBad, sum.StableOnlyBad = sum.CanaryOnlyBad+x.CanaryOnlyBad, sum.StableOnlyBad+x.StableOnlyBad
		sum.Stable, sum.Canary = plus(sum.Stable, x.Stable), plus(sum.Canary, x.Canary)
		t.Metrics[name] = sum
	}
	return nil
}

func plus(a, b analysis.Counts) analysis.Counts {
	a.N, a.K, a.Sum, a.SumSq = a.N+b.N, a.K+b.K, a.Sum+b.Sum, a.SumSq+b.SumSq
	for i, n := range b.Counts {
		if i == len(a.Counts) {
			a.Counts = append(a.Counts, 0)
		}
		a.Counts[i] += n
	}
	return a
}
