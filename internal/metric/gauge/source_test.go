package gauge

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/reading"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// counts is a source of one block, from after seconds past noon.
type counts struct {
	from, to time.Duration
	err      error
	asked    metric.Query
}

func (c *counts) Collect(_ context.Context, q metric.Query, _ metric.Window) (analysis.Sample, error) {
	c.asked = q
	return analysis.Sample{
		Start: noon.Add(c.from), End: noon.Add(c.to), Cursor: "of the counts",
		Metrics: map[string]analysis.Measure{"errors": {Stable: analysis.Counts{N: 9}}},
	}, c.err
}

func (c *counts) Conditions() []cluster.Condition {
	return []cluster.Condition{{Type: "SeriesFound", True: true}}
}

// level is a number of each arm.
type level struct {
	of map[string]float64
	at []time.Time
	ch chan struct{}
}

func (l *level) Read(_ context.Context, of reading.Vars, at time.Time) (reading.Value, error) {
	l.ch <- struct{}{}
	defer func() { <-l.ch }()
	l.at = append(l.at, at)
	v, ok := l.of[of.Arm+" "+of.Version+" "+of.Revision+" "+of.Pods+" "+of.Name+" "+of.Namespace]
	if !ok {
		return reading.Value{}, errors.New("there is no value")
	}
	return reading.Value{At: at, Number: v}, nil
}

var asked = metric.Query{
	Rollout: "shop/churn", Revision: "c", Stable: metric.Arm{Version: "v1", Revision: "s"}, Canary: metric.Arm{Version: "v2", Revision: "c"},
	Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}, {Name: "revenue", Kind: analysis.Gauge}},
}

func gauges(c *counts, l *level) *Source {
	l.ch = make(chan struct{}, 1)
	return New(Config{
		Source: c, Gauges: []Gauge{{"revenue", l, 15 * time.Second}, {"unasked", l, 15 * time.Second}},
		Name: "churn", Namespace: "shop", Pods: [2]string{"a", "b"},
	})
}

func TestReadsBothArmsAtTheSameTime(t *testing.T) {
	c := &counts{from: 14 * time.Second, to: 16 * time.Second}
	l := &level{of: map[string]float64{"stable v1 s a churn shop": 100, "canary v2 c b churn shop": 80}}
	got, err := gauges(c, l).Collect(t.Context(), asked, metric.Window{Weight: .1})
	if err != nil {
		t.Fatal(err)
	}
	want := analysis.Sample{
		Start: noon.Add(14 * time.Second), End: noon.Add(16 * time.Second), Cursor: "of the counts",
		Metrics: map[string]analysis.Measure{
			"errors":  {Stable: analysis.Counts{N: 9}},
			"revenue": {Stable: analysis.Counts{N: 1, Sum: 100}, Canary: analysis.Counts{N: 1, Sum: 80}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if len(l.at) != 2 || !l.at[0].Equal(got.End) || !l.at[1].Equal(got.End) {
		t.Errorf("read at %v", l.at)
	}
	if d := cmp.Diff(asked.Metrics[:1], c.asked.Metrics); d != "" {
		t.Errorf("the counts were asked for (-want +got)\n%s", d)
	}
}

// TestReadsByTheClock: each multiple of the interval is in one block, however long
// the blocks are.
func TestReadsByTheClock(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 7 * time.Second, 15 * time.Second, 40 * time.Second} {
		reads, most := 0, 0
		for from := time.Duration(0); from < 10*time.Minute; from += length {
			if due(15*time.Second, noon.Add(from), noon.Add(from+length)) {
				reads++
			}
			most++
		}
		want := 40 // in ten minutes
		if length > 15*time.Second {
			want = most // once in a block
		}
		if reads < want || reads > want+1 {
			t.Errorf("blocks of %s: %d reads, want %d", length, reads, want)
		}
	}
}

func TestNothingIsReadWithoutTraffic(t *testing.T) {
	l := &level{}
	s := gauges(&counts{from: 0, to: time.Minute}, l)
	if _, err := s.Collect(t.Context(), asked, metric.Window{}); err != nil || len(l.at) > 0 {
		t.Errorf("at no weight: %v, read at %v", err, l.at)
	}
	s = gauges(&counts{from: time.Minute, to: time.Minute}, l)
	if _, err := s.Collect(t.Context(), asked, metric.Window{Weight: .1}); err != nil || len(l.at) > 0 {
		t.Errorf("of an empty block: %v, read at %v", err, l.at)
	}
	s = gauges(&counts{from: 0, to: time.Minute, err: metric.ErrUnavailable}, l)
	if _, err := s.Collect(t.Context(), asked, metric.Window{Weight: .1}); !errors.Is(err, metric.ErrUnavailable) || len(l.at) > 0 {
		t.Errorf("without counts: %v, read at %v", err, l.at)
	}
}

// TestAnArmThatCannotBeRead leaves the gauge out and everything else as it is.
func TestAnArmThatCannotBeRead(t *testing.T) {
	l := &level{of: map[string]float64{"stable v1 s a churn shop": 100}}
	s := gauges(&counts{from: 0, to: time.Minute}, l)
	got, err := s.Collect(t.Context(), asked, metric.Window{Weight: .1})
	if _, ok := got.Metrics["revenue"]; err != nil || ok || got.Metrics["errors"].Stable.N != 9 {
		t.Errorf("%+v, %v", got, err)
	}
	const why = "metric revenue cannot be read of canary: there is no value"
	if d := cmp.Diff([]string{why}, s.Warnings()); d != "" {
		t.Error(d)
	}
	want := []cluster.Condition{{Type: "SeriesFound", True: true}, {Type: ConditionGaugesRead, Reason: "CannotBeRead", Message: why}}
	if d := cmp.Diff(want, s.Conditions()); d != "" {
		t.Error(d)
	}
	l.of["canary v2 c b churn shop"] = 0
	if _, err := s.Collect(t.Context(), asked, metric.Window{Weight: .1}); err != nil || len(s.Warnings()) > 0 || !s.Conditions()[1].True {
		t.Errorf("and back: %v, %q", err, s.Warnings())
	}
}
