package guardrail

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// line is a watch in a line.
func line(w engine.Watch) string {
	value := "-"
	if w.Value != nil {
		value = number(*w.Value)
	}
	dry := ""
	if w.DryRun {
		dry = " dry"
	}
	return fmt.Sprintf("%s %s %s%s at %s (%s) %s", w.Kind, w.Name, w.State, dry, value, w.Rule, w.Says)
}

func TestHowALimitStands(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Limit)
		values []float64
		want   string
	}{
		"before a reading": {nil, nil, "Unknown at - (3 in a row outside) has not been read yet"},
		"inside":           {nil, []float64{7}, "Passing at 7 (3 in a row outside) "},
		"outside once":     {nil, []float64{9}, "Failing at 9 (3 in a row outside) is at 9, above its max of 7; outside in 1 of 1 readings"},
		"still counted":    {func(l *Limit) { l.Failures, l.Of = 2, 4 }, []float64{9, 9, 1}, "Failing at 1 (2 of 4 readings outside) is inside again; outside in 2 of 3 readings"},
		"without a value":  {nil, []float64{5, math.NaN()}, "Unknown at - (3 in a row outside) cannot be read: "},
		"missing is bad": {func(l *Limit) { l.OnMissing, l.Failures, l.Of = Fail, 1, 1 }, []float64{math.NaN()},
			"Failing at - (1 in a row outside) cannot be read: "},
		"dry": {func(l *Limit) { l.DryRun = true }, []float64{1}, "Passing dry at 1 (3 in a row outside) "},
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
			got := line(l.shown())
			if want := "guardrail gpu " + c.want; got != want && !(strings.HasSuffix(want, ": ") && strings.HasPrefix(got, want)) {
				t.Errorf("%q\nwant %q", got, want)
			}
			if w := l.shown(); w.Max == nil || *w.Max != 7 || w.Min != nil || w.Effect != rollout.SignalRollback {
				t.Errorf("%+v", w)
			}
		})
	}
}

// TestHowASetStands: a limit and an anomaly from before they are read until after
// the end, with what a retry begins.
func TestHowASetStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{value: steady(5)}
		w := watching(t, Config{Limits: []Limit{gpu(m)}, Anomalies: []Anomaly{queue(&meter{value: wave})}})
		shown := func(want ...string) {
			t.Helper()
			var got []string
			for _, x := range w.Watches(engine.About{Now: time.Now(), State: w.st}) {
				got = append(got, line(x))
			}
			if len(got) != len(want) {
				t.Fatalf("watches %q", got)
			}
			for i := range want {
				if !strings.HasPrefix(got[i], want[i]) {
					t.Errorf("%q\nwant %q …", got[i], want[i])
				}
			}
		}
		const rule = "(evidence of 1000 to 1 that it has changed)"
		shown("guardrail gpu Unknown at - (3 in a row outside) has not been read yet", "anomaly queue Unknown at - "+rule+" has not been read yet")
		w.says(time.Second)
		shown("guardrail gpu Passing at 5", "anomaly queue Passing at - "+rule+" was at 0.")
		w.says(5 * time.Minute)
		shown("guardrail gpu Passing at 5", "anomaly queue Passing at 0.")
		m.set(func() { m.err = errors.New("connection refused") })
		w.says(time.Minute)
		shown("guardrail gpu Unknown at - (3 in a row outside) cannot be read: connection refused", "anomaly queue Passing")
		m.set(func() { m.err, m.value = nil, steady(9) })
		w.says(2 * time.Minute)
		w.st.Phase = rollout.RolledBack
		w.says(time.Minute)
		shown("guardrail gpu Failing at 9 (3 in a row outside) is at 9, above its max of 7; outside in 3 of 3 readings", "anomaly queue Passing")
		w.st.Attempt, w.st.Phase = 2, rollout.Initializing
		shown("guardrail gpu Unknown", "anomaly queue Unknown")
	})
}

// TestHowAnAnomalyStands: what its history allows is what it does.
func TestHowAnAnomalyStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		slow := queue(&meter{value: func(at time.Time) float64 { return math.Sin(float64(at.Unix()) / 3000) }})
		slow.Effect = rollout.SignalRollback
		jump := queue(&meter{value: func(at time.Time) float64 {
			if at.After(begun) {
				return wave(at) + 5
			}
			return wave(at)
		}})
		jump.Name, jump.DryRun = "jump", true
		w := watching(t, Config{Anomalies: []Anomaly{slow, jump}})
		w.says(30 * time.Minute)
		all := w.Watches(engine.About{Now: time.Now(), State: w.st})
		if all[0].Effect != rollout.SignalHold {
			t.Errorf("its readings depend on each other, and it is shown to %s", all[0].Effect)
		}
		if all[1].State != engine.WatchFailing || !all[1].DryRun || all[1].Value == nil || *all[1].Value < 5 || all[1].Kind != engine.WatchAnomaly {
			t.Errorf("after a jump: %s", line(all[1]))
		}
	})
}
