package engine

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/sourcetest"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// judgements are the steps that blocks judged, and when the traffic of each step was
// first seen to flow.
type judgements struct {
	keeper
	mu    sync.Mutex
	steps map[int64]int // by block
	flows map[int]time.Time
}

func (j *judgements) Save(ctx context.Context, id rollout.ID, s rollout.State, v store.Version) (store.Version, error) {
	j.mu.Lock()
	if !s.StepBegan.IsZero() {
		j.flows[s.Step] = s.StepBegan
	}
	if s.Verdict.Decision != "" {
		j.steps[s.Verdict.Block] = s.Verdict.Stage.Index
	}
	j.mu.Unlock()
	return j.keeper.Save(ctx, id, s, v)
}

// TestOnlyBlocksOfItsTrafficJudgeAStep: a block that began before the traffic of a
// step was seen to flow does not judge it, even if its counts come later.
func TestOnlyBlocksOfItsTrafficJudgeAStep(t *testing.T) {
	for name, tc := range map[string]struct {
		waits        bool // for the source
		source, late time.Duration
		first        rollout.Step
	}{
		"waited for":              {waits: true, first: rollout.Step{Weight: traffic.Percent(5)}},
		"at once":                 {first: rollout.Step{Weight: traffic.Percent(5)}},
		"a slow source":           {source: 700 * time.Millisecond, first: rollout.Step{Weight: traffic.Percent(5)}},
		"a slow router":           {late: 3 * time.Second, first: rollout.Step{Weight: traffic.Percent(5)}},
		"both":                    {source: 700 * time.Millisecond, late: 3 * time.Second, first: rollout.Step{Weight: traffic.Percent(5)}},
		"copies, both":            {source: 700 * time.Millisecond, late: 3 * time.Second, first: rollout.Step{Shadow: traffic.Full}},
		"copies, at once":         {first: rollout.Step{Shadow: traffic.Full}},
		"copies, a slower source": {source: 2500 * time.Millisecond, late: time.Second, first: rollout.Step{Shadow: traffic.Full}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.plan.Steps = []rollout.Step{tc.first, {Weight: traffic.Percent(50)}, {Weight: traffic.Full}}
				seen := &judgements{keeper: w.store, steps: map[int64]int{}, flows: map[int]time.Time{}}
				w.store = seen
				w.source.OnCollect = func(ctx context.Context) error {
					select {
					case <-time.After(tc.source):
					case <-ctx.Done():
					}
					return ctx.Err()
				}
				w.follows(tc.late)
				w.config = func(c *Config) {
					if tc.waits {
						return
					}
					came := make(chan struct{}, 1)
					c.Changed, c.Later = came, func() {
						select {
						case came <- struct{}{}:
						default:
						}
					}
				}
				r := w.run()
				if o := r.outcome(); o.Phase != rollout.Promoted {
					t.Errorf("outcome %+v", o)
				}
				r.halt()
				began := map[int64]time.Time{}
				for _, b := range w.blocks() {
					began[b.Block] = b.Start
				}
				for block, step := range seen.steps {
					if start, flows := began[block], seen.flows[step]; start.Before(flows) {
						t.Errorf("block %d, which began at %s, judged step %d, whose traffic flowed from %s on", block, start.Format("05.0"), step, flows.Format("05.0"))
					}
				}
				if len(seen.steps) < 2 {
					t.Errorf("judged by %d blocks", len(seen.steps))
				}
			})
		})
	}
}

// follows makes the router report what it carries so much later.
func (w *world) follows(late time.Duration) {
	var shown, newest traffic.Observed
	var since time.Time
	w.router.OnObserve = func(_ context.Context, o *traffic.Observed) error {
		if *o != newest {
			newest, since = *o, time.Now()
		}
		if time.Since(since) >= late {
			shown = newest
		}
		*o = shown
		return nil
	}
}

// dated is a source that knows what was counted when, as a metrics database does,
// and takes a while to say it.
type dated struct {
	weight  func() traffic.Weight // that requests are divided by now
	latency time.Duration

	mu   sync.Mutex
	at   []time.Time
	what []sourcetest.Count // of the tenth of a second until then
	off  []string           // blocks of other shares than they were said to be of
}

// serve counts a hundred requests a second until stop.
func (d *dated) serve(stop <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		now := d.weight()
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		canary := 10 * int64(now) / int64(traffic.Full)
		d.mu.Lock()
		d.at, d.what = append(d.at, time.Now()), append(d.what, sourcetest.Count{CanaryN: canary, StableN: 10 - canary})
		d.mu.Unlock()
	}
}

func (d *dated) Collect(ctx context.Context, _ metric.Query, w metric.Window) (analysis.Sample, error) {
	select {
	case <-time.After(d.latency):
	case <-ctx.Done():
		return analysis.Sample{}, ctx.Err()
	}
	from := w.Start
	if w.After != "" {
		if err := from.UnmarshalText([]byte(w.After)); err != nil {
			return analysis.Sample{}, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var sum sourcetest.Count
	for i, at := range d.at {
		if at.After(from) && !at.After(w.End) {
			sum.StableN, sum.CanaryN = sum.StableN+d.what[i].StableN, sum.CanaryN+d.what[i].CanaryN
		}
	}
	// What one tenth of a second holds may be of the weight before.
	if n := float64(sum.StableN + sum.CanaryN); math.Abs(float64(sum.CanaryN)-w.Weight*n) > 10 {
		d.off = append(d.off, fmt.Sprintf("from %s to %s %d of %.0f requests are the canary's, which has %.0f%%",
			from.Format("05.0"), w.End.Format("05.0"), sum.CanaryN, n, 100*w.Weight))
	}
	cursor, err := w.End.MarshalText()
	if err != nil {
		return analysis.Sample{}, err
	}
	return analysis.Sample{Start: from, End: w.End, Cursor: string(cursor), Metrics: map[string]analysis.Measure{
		"errors": {Stable: analysis.Counts{N: sum.StableN}, Canary: analysis.Counts{N: sum.CanaryN}},
	}}, nil
}

// TestBlocksOnTheirWayHoldOneWeight: while the counts of a block are on their way
// the weight may change. What was counted until then, and what since, are blocks
// of their own even so.
func TestBlocksOnTheirWayHoldOneWeight(t *testing.T) {
	for name, tc := range map[string]struct{ router, source time.Duration }{
		"at once":         {0, 0},
		"a slow source":   {0, 700 * time.Millisecond},
		"a slow router":   {1300 * time.Millisecond, 100 * time.Millisecond},
		"both":            {1300 * time.Millisecond, 900 * time.Millisecond},
		"a slower source": {1300 * time.Millisecond, 4300 * time.Millisecond},
		"a slower router": {5500 * time.Millisecond, 2100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				w.plan.Steps = []rollout.Step{{Weight: traffic.Percent(20)}, {Weight: traffic.Percent(50)}, {Weight: traffic.Full}}
				var mu sync.Mutex
				var shown, newest traffic.Observed
				var since time.Time
				w.router.OnObserve = func(_ context.Context, o *traffic.Observed) error {
					mu.Lock()
					defer mu.Unlock()
					if *o != newest {
						newest, since = *o, time.Now()
					}
					if time.Since(since) >= tc.router {
						shown = newest
					}
					*o = shown
					return nil
				}
				source := &dated{latency: tc.source, weight: func() traffic.Weight {
					mu.Lock()
					defer mu.Unlock()
					return shown.Canary
				}}
				go source.serve(w.stop)
				w.config = func(c *Config) {
					c.Source = source
					came := make(chan struct{}, 1)
					c.Changed, c.Later = came, func() {
						select {
						case came <- struct{}{}:
						default:
						}
					}
				}
				r := w.run()
				if o := r.outcome(); o.Phase != rollout.Promoted {
					t.Errorf("outcome %+v", o)
				}
				r.halt()
				for _, off := range source.off {
					t.Error(off)
				}
			})
		})
	}
}
