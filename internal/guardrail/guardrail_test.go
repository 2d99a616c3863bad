package guardrail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/stats"
)

// meter is a number as a function of time.
type meter struct {
	mu    sync.Mutex
	value func(time.Time) float64
	err   error
	asked int
	of    reading.Vars
}

func (m *meter) set(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
}

func steady(x float64) func(time.Time) float64 { return func(time.Time) float64 { return x } }

func (m *meter) Read(_ context.Context, of reading.Vars, at time.Time) (reading.Value, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	m.of = of
	if m.err != nil {
		return reading.Value{}, m.err
	}
	return reading.Value{At: at, Number: m.value(at)}.Finite()
}

func (m *meter) Past(_ context.Context, _ reading.Vars, s reading.Span) ([]reading.Value, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.err != nil {
		return nil, m.err
	}
	var out []reading.Value
	for at := s.Start; !at.After(s.End); at = at.Add(s.Step) {
		if v, err := (reading.Value{At: at, Number: m.value(at)}).Finite(); err == nil {
			out = append(out, v)
		}
	}
	return out, nil
}

func to(x float64) *float64 { return &x }

// state is a rollout at a step.
func state(began time.Time) rollout.State {
	s := rollout.State{Phase: rollout.Progressing, Attempt: 1, Began: began}
	s.Plan.Canary = rollout.Revision{Version: "v2", Hash: "1f0c"}
	return s
}

// watched is a set that is looked at once a second.
type watched struct {
	*Set
	t  *testing.T
	st rollout.State
}

func watching(t *testing.T, c Config) *watched {
	c.Name, c.Logger = "churn", slog.New(slog.DiscardHandler)
	w := &watched{Set: New(c), t: t, st: state(time.Now())}
	w.Bind(func() {})
	t.Cleanup(w.Close)
	return w
}

// says looks once a second for some time and returns what the signals are then.
func (w *watched) says(after time.Duration) []string {
	w.t.Helper()
	var out []rollout.Signal
	for end := time.Now().Add(after); ; time.Sleep(time.Second) {
		synctest.Wait()
		out = w.Signals(engine.About{Now: time.Now(), State: w.st})
		if !time.Now().Before(end) {
			break
		}
	}
	var lines []string
	for _, x := range out {
		if x.Judged != (rollout.Judged{Revision: "1f0c", Attempt: w.st.Attempt}) {
			w.t.Errorf("it is about %+v", x.Judged)
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", x.Effect, x.Name, x.Message))
	}
	return lines
}

func (w *watched) want(after time.Duration, lines ...string) {
	w.t.Helper()
	if d := cmp.Diff(lines, w.says(after)); d != "" {
		w.t.Errorf("(-want +got)\n%s", d)
	}
}

func gpu(m *meter) Limit {
	return Limit{Name: "gpu", Reader: m, Max: to(7), Failures: 3, Of: 3, Every: 30 * time.Second, Effect: rollout.SignalRollback, OnMissing: Hold}
}

func TestALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{value: steady(5)}
		w := watching(t, Config{Limits: []Limit{gpu(m)}, Namespace: "shop", Pods: "churn-[a-z]+"})
		w.want(0, "Hold guardrail gpu: has not been read yet")
		w.want(time.Second)
		if d := cmp.Diff(reading.Vars{Name: "churn", Namespace: "shop", Arm: "canary", Version: "v2", Revision: "1f0c", Pods: "churn-[a-z]+"}, m.of); d != "" {
			t.Error(d)
		}
		m.set(func() { m.value = steady(8) })
		w.want(30*time.Second, "Hold guardrail gpu: is at 8, above its max of 7; outside its limits in 1 of the last readings, and 3 of 3 take it back")
		m.set(func() { m.value = steady(7) }) // the limit itself is allowed, and ends the row
		w.want(30 * time.Second)
		m.set(func() { m.value = steady(9) })
		w.says(60 * time.Second)
		w.want(30*time.Second, "Rollback guardrail gpu: is at 9, above its max of 7; outside its limits in 3 of 3 readings")
		if m.asked < 6 || m.asked > 7 {
			t.Errorf("it was read %d times", m.asked)
		}
		// A retry counts anew.
		w.st.Attempt = 2
		w.want(0, "Hold guardrail gpu: has not been read yet")
		w.want(time.Second, "Hold guardrail gpu: is at 9, above its max of 7; outside its limits in 1 of the last readings, and 3 of 3 take it back")
		// And nobody is bothered when it is over.
		w.st.Phase = rollout.RolledBack
		before := m.asked
		if w.want(5 * time.Minute); m.asked != before {
			t.Errorf("it was read %d times after the end", m.asked-before)
		}
	})
}

func TestLimitsByTheNumber(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Limit)
		values []float64
		want   string // the effect at the end, "" for none
	}{
		"two of four":           {func(l *Limit) { l.Failures, l.Of = 2, 4 }, []float64{9, 1, 1, 9}, "Rollback"},
		"two of three":          {func(l *Limit) { l.Failures, l.Of = 2, 3 }, []float64{9, 1, 1, 9}, "Hold"},
		"stands for a while":    {func(l *Limit) { l.Failures, l.Of = 2, 4 }, []float64{9, 9, 1, 1}, "Rollback"},
		"and ends":              {func(l *Limit) { l.Failures, l.Of = 2, 4 }, []float64{9, 9, 1, 1, 1}, ""},
		"below":                 {func(l *Limit) { l.Min, l.Failures, l.Of = to(0), 1, 1 }, []float64{-1}, "Rollback"},
		"between":               {func(l *Limit) { l.Min = to(0) }, []float64{0, 7, 3, 0, 7}, ""},
		"holds at last":         {func(l *Limit) { l.Effect = rollout.SignalHold }, []float64{9, 9, 9}, "Hold"},
		"holds not before":      {func(l *Limit) { l.Effect = rollout.SignalHold }, []float64{9, 9}, ""},
		"warns":                 {func(l *Limit) { l.Effect = rollout.SignalWarn }, []float64{9, 9, 9}, "Warn"},
		"dry":                   {func(l *Limit) { l.DryRun = true }, []float64{9, 9, 9}, "Warn"},
		"dry does not hold":     {func(l *Limit) { l.DryRun = true }, []float64{9, 9}, ""},
		"no value":              {nil, []float64{9, 9, math.NaN()}, "Hold"},
		"no value ends no row":  {nil, []float64{9, 9, math.NaN(), 9}, "Rollback"},
		"no value warns":        {func(l *Limit) { l.OnMissing = Warn }, []float64{math.NaN()}, "Warn"},
		"no value fails":        {func(l *Limit) { l.OnMissing = Fail }, []float64{math.NaN(), math.NaN(), math.NaN()}, "Rollback"},
		"no value fails slowly": {func(l *Limit) { l.OnMissing = Fail }, []float64{1, math.NaN()}, "Hold"},
		"no value, dry":         {func(l *Limit) { l.DryRun = true }, []float64{math.Inf(1)}, "Warn"},
	} {
		t.Run(name, func(t *testing.T) {
			l := &limit{Limit: gpu(&meter{})}
			if c.change != nil {
				c.change(&l.Limit)
			}
			for _, x := range c.values {
				v, err := reading.Value{Number: x}.Finite()
				l.hear([]reading.Value{v}, err)
			}
			got := ""
			for _, x := range l.signals() {
				got += string(x.Effect)
			}
			if got != c.want {
				t.Errorf("%q, want %q: %+v", got, c.want, l.signals())
			}
		})
	}
}

func TestWhatCannotBeReadHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{value: steady(1), err: errors.New("connection refused")}
		w := watching(t, Config{Limits: []Limit{gpu(m)}})
		w.want(time.Second, "Hold guardrail gpu: cannot be read: connection refused")
		m.set(func() { m.err = nil })
		w.want(5 * time.Second) // it is asked again sooner than it would be otherwise
	})
}

// wave is a number that goes up and down without a memory.
func wave(at time.Time) float64 { return stats.Draw(5, uint64(at.Unix())) }

func queue(m *meter) Anomaly {
	return Anomaly{Name: "queue", Past: m, History: time.Hour, Every: time.Minute, FalseAlarm: .001, Effect: rollout.SignalHold, OnMissing: Hold}
}

func TestAnAnomaly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{value: wave}
		w := watching(t, Config{Anomalies: []Anomaly{queue(m)}})
		w.want(0, "Hold anomaly queue: has not been read yet")
		w.want(30 * time.Minute)
		changed := time.Now()
		m.set(func() {
			m.value = func(at time.Time) float64 {
				if at.After(changed) {
					return wave(at) + 5
				}
				return wave(at)
			}
		})
		got := w.says(15 * time.Minute)
		if len(got) != 1 || !strings.HasPrefix(got[0], "Hold anomaly queue: is no longer what it was: at 5.") || !strings.Contains(got[0], "the alarm is at 1000)") {
			t.Fatalf("after the change: %q", got)
		}
		// Another process finds the same evidence.
		again := watching(t, Config{Anomalies: []Anomaly{queue(m)}})
		again.st = w.st
		again.says(time.Second)
		if d := cmp.Diff(w.says(time.Second), again.says(time.Second)); d != "" {
			t.Errorf("after a restart (-before +after)\n%s", d)
		}
		a, b := w.all[0].watcher.(*anomaly), again.all[0].watcher.(*anomaly)
		if a.test.LogE() != b.test.LogE() || a.test.N() != b.test.N() {
			t.Errorf("evidence %v of %d, and %v of %d", a.test.LogE(), a.test.N(), b.test.LogE(), b.test.N())
		}
		// A retry is compared with what came before it, the change too.
		time.Sleep(2 * time.Hour)
		w.st.Attempt, w.st.Began = 2, time.Now()
		w.want(10 * time.Minute)
		m.set(func() { m.err = errors.New("connection refused") })
		w.want(2*time.Minute, "Hold anomaly queue: cannot be read: connection refused")
	})
}

func TestAnAnomalyThatCannotBeJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		young := &meter{value: func(at time.Time) float64 {
			if at.Before(begun.Add(-10 * time.Minute)) {
				return math.NaN()
			}
			return wave(at)
		}}
		slow := &meter{value: func(at time.Time) float64 { return math.Sin(float64(at.Unix()) / 3000) }}
		silent := &meter{value: func(at time.Time) float64 {
			if at.After(begun.Add(time.Minute)) {
				return math.NaN()
			}
			return wave(at)
		}}
		of := func(name string, m *meter, change func(*Anomaly)) Anomaly {
			a := queue(m)
			a.Name = name
			if change != nil {
				change(&a)
			}
			return a
		}
		w := watching(t, Config{Anomalies: []Anomaly{
			of("young", young, nil), of("young-warn", young, func(a *Anomaly) { a.OnMissing = Warn }),
			of("slow", slow, func(a *Anomaly) { a.Effect = rollout.SignalRollback }), of("silent", silent, nil),
		}})
		got := w.says(20 * time.Minute)
		want := []string{
			"Hold anomaly young: has 11 readings from before the rollout: there must be 20 to compare with",
			"Warn anomaly young-warn: has 11 readings from before the rollout: there must be 20 to compare with",
			"Warn anomaly slow (history): its readings depend on those before them (correlation ",
			"Hold anomaly slow: is no longer what it was: at ",
			"Hold anomaly silent: has had no value for 1",
		}
		if len(got) != len(want) {
			t.Fatalf("signals %q", got)
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("%q, want %q …", got[i], want[i])
			}
		}
	})
}

// TestCloseGivesUp: what is on its way does not keep anybody.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := gpu(nil)
		l.Reader = stuck{}
		w := watching(t, Config{Limits: []Limit{l}})
		w.want(0, "Hold guardrail gpu: has not been read yet")
		w.Close()
		w.Close()
		w.want(time.Minute, "Hold guardrail gpu: has not been read yet")
	})
}

type stuck struct{}

func (stuck) Read(ctx context.Context, _ reading.Vars, _ time.Time) (reading.Value, error) {
	<-ctx.Done()
	return reading.Value{}, ctx.Err()
}
