package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/metric"
)

// count is what both arms have served.
type count struct{ StableN, StableK, CanaryN, CanaryK int64 }

// history is a metric source that knows what was counted when, as Prometheus
// does.
type history struct {
	mu    sync.Mutex
	at    []time.Time
	what  []count
	away  error
	slow  time.Duration
	asked int
	wrong func() int64 // how many of a hundred copies are answered otherwise
}

func (h *history) serve(c count) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.what = append(h.at, time.Now()), append(h.what, c)
}

func (h *history) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	h.mu.Lock()
	away, slow := h.away, h.slow
	h.asked++
	h.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return analysis.Sample{}, ctx.Err()
	}
	if away != nil {
		return analysis.Sample{}, fmt.Errorf("%w: %w", metric.ErrUnavailable, away)
	}
	from := w.Start
	if w.After != "" {
		if err := json.Unmarshal([]byte(w.After), &from); err != nil {
			return analysis.Sample{}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var sum count
	for i, at := range h.at {
		if at.After(from) && !at.After(w.End) {
			c := h.what[i]
			sum = count{sum.StableN + c.StableN, sum.StableK + c.StableK, sum.CanaryN + c.CanaryN, sum.CanaryK + c.CanaryK}
		}
	}
	cursor, err := json.Marshal(w.End)
	if err != nil {
		return analysis.Sample{}, err
	}
	out := analysis.Sample{Cursor: string(cursor), Metrics: map[string]analysis.Measure{}}
	if w.Slots != "" { // the further arm never fails, and has as many requests as stable
		none := analysis.Counts{N: sum.StableN}
		out.Variants = []analysis.Variant{{Metrics: map[string]analysis.Measure{
			"errors":              {Stable: analysis.Counts{N: sum.StableN, K: sum.StableK}, Canary: none},
			experiment.GoalMetric: {Canary: none},
		}}}
	}
	for _, m := range q.Metrics {
		if m.Kind == analysis.Pairs { // every copy is answered, and disagrees where the candidate is wrong
			out.Metrics[m.Name] = analysis.Measure{Pairs: sum.StableN, Disagree: sum.StableN * h.wrong() / 100}
			continue
		}
		if m.Kind == analysis.Mean {
			out.Metrics[m.Name] = analysis.Measure{
				Stable: analysis.Counts{N: sum.StableN, Sum: float64(sum.StableK), SumSq: float64(sum.StableK)},
				Canary: analysis.Counts{N: sum.CanaryN, Sum: float64(sum.CanaryK), SumSq: float64(sum.CanaryK)},
			}
			continue
		}
		out.Metrics[m.Name] = analysis.Measure{
			Stable: analysis.Counts{N: sum.StableN, K: sum.StableK}, Canary: analysis.Counts{N: sum.CanaryN, K: sum.CanaryK},
		}
	}
	return out, nil
}
