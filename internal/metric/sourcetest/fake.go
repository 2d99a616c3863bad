package sourcetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Ledger counts every request that ever happened. It outlives the sources
// that read it, as a metrics database does. The zero Ledger is ready. It is
// safe for concurrent use.
type Ledger struct {
	mu    sync.Mutex
	total Count
	fail  error
}

// Serve records n requests on an arm, bad of them failed.
func (l *Ledger) Serve(arm traffic.Arm, n, bad int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if arm == traffic.Canary {
		l.total.CanaryN += int64(n)
		l.total.CanaryK += int64(bad)
		return
	}
	l.total.StableN += int64(n)
	l.total.StableK += int64(bad)
}

// Total returns what has happened so far.
func (l *Ledger) Total() Count {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Fail makes every Collect return err until it is called with nil.
func (l *Ledger) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// Fake is a source that reads a Ledger. Its cursor is the ledger's total at
// the end of the block. It is safe for concurrent use.
type Fake struct {
	Ledger *Ledger
	// OnCollect, if set, is called first; its error is returned. Set it before use.
	OnCollect func(context.Context) error
}

var _ metric.Source = (*Fake)(nil)

// Collect returns what the ledger gained since the cursor, for every metric
// of kind ErrorRate.
func (f *Fake) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	if f.OnCollect != nil {
		if err := f.OnCollect(ctx); err != nil {
			return analysis.Sample{}, err
		}
	}
	f.Ledger.mu.Lock()
	now, fail := f.Ledger.total, f.Ledger.fail
	f.Ledger.mu.Unlock()
	if fail != nil {
		return analysis.Sample{}, fmt.Errorf("%w: %w", metric.ErrUnavailable, fail)
	}
	var past Count
	if w.After != "" {
		if err := json.Unmarshal([]byte(w.After), &past); err != nil {
			return analysis.Sample{}, fmt.Errorf("read cursor %q: %w", w.After, err)
		}
	}
	if past.StableN < 0 || past.StableN > now.StableN || past.CanaryN < 0 || past.CanaryN > now.CanaryN {
		return analysis.Sample{}, fmt.Errorf("cursor %q is not of this ledger", w.After)
	}
	cursor, err := json.Marshal(now)
	if err != nil {
		return analysis.Sample{}, fmt.Errorf("write cursor: %w", err)
	}
	s := analysis.Sample{Start: w.Start, End: w.End, Cursor: string(cursor), Metrics: map[string]analysis.Measure{}}
	for _, m := range q.Metrics {
		if m.Kind == analysis.ErrorRate {
			s.Metrics[m.Name] = analysis.Measure{
				Stable: analysis.Counts{N: now.StableN - past.StableN, K: now.StableK - past.StableK},
				Canary: analysis.Counts{N: now.CanaryN - past.CanaryN, K: now.CanaryK - past.CanaryK},
			}
		}
	}
	return s, nil
}
