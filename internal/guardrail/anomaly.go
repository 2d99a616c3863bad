package guardrail

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/stats"
)

const (
	// leastHistory is how many readings there must be from before the rollout.
	leastHistory = 20
	// piece is how many readings are asked for at once.
	piece = 5000
	// latest is how late monitoring systems may tell of a time.
	latest = 5 * time.Minute
	// dependent is by how many standard deviations readings that follow each other
	// must be alike for the stated probability not to be believed.
	dependent = 3
)

// Anomaly is a number that is watched for a change.
type Anomaly struct {
	Name       string // unique
	Past       reading.Past
	History    time.Duration // before the attempt began
	Every      time.Duration
	FalseAlarm float64 // probability of an alarm in one attempt without a change
	Direction  stats.Direction
	Effect     rollout.Effect
	DryRun     bool
	OnMissing  Missing // Hold or Warn
}

// anomaly is one in an attempt. Its readings are those at whole numbers of Every
// before and after began.
type anomaly struct {
	Anomaly
	of    reading.Vars
	began time.Time
	seed  uint64

	next    time.Time // the first reading that is not in yet
	history []float64
	test    *stats.Conformal // nil until the history is in
	usual   float64          // median of the history
	serial  float64          // correlation of the history, 0 if it is none to speak of
	last    reading.Value
	alarm   bool
	missing string // why there is no value; "" if there is one
	heard   bool
}

func newAnomaly(a Anomaly, of reading.Vars, st rollout.State) *anomaly {
	began := st.Began.Truncate(time.Millisecond)
	readings := a.History / a.Every
	return &anomaly{
		Anomaly: a, of: of, began: began, next: began.Add(-readings * a.Every),
		seed: xxhash.Sum64String(fmt.Sprintf("%s/%s/%s/%d/%s", of.Namespace, of.Name, of.Revision, st.Attempt, a.Name)),
	}
}

// ask returns the readings since the last.
func (a *anomaly) ask(ctx context.Context) ([]reading.Value, error) {
	now := time.Now()
	var out []reading.Value
	for start := a.next; !start.After(now); {
		end := start.Add((min(now.Sub(start)/a.Every, piece-1)) * a.Every)
		values, err := a.Past.Past(ctx, a.of, reading.Span{Start: start, End: end, Step: a.Every})
		if err != nil {
			return nil, err
		}
		out = append(out, values...)
		start = end.Add(a.Every)
	}
	return out, nil
}

// hear takes readings into the evidence.
func (a *anomaly) hear(values []reading.Value, err error) {
	a.heard, a.missing = true, ""
	if err != nil {
		a.missing = "cannot be read: " + err.Error()
		return
	}
	for _, v := range values {
		if v.At.Before(a.next) {
			continue
		}
		before := !v.At.After(a.began)
		if !before && !a.begin() {
			return
		}
		if a.next = v.At.Add(a.Every); before {
			a.history = append(a.history, v.Number)
		} else {
			a.take(v)
		}
	}
	if !a.begin() {
		return
	}
	if age := time.Since(a.next); age > max(3*a.Every, latest) {
		a.missing = fmt.Sprintf("has had no value for %s", (age + a.Every).Round(time.Second))
	}
}

// begin makes the test when the history is in, and reports whether there is one.
func (a *anomaly) begin() bool {
	if a.test != nil {
		return true
	}
	if len(a.history) < leastHistory {
		a.missing = fmt.Sprintf("has %d readings from before the rollout: there must be %d to compare with", len(a.history), leastHistory)
		return false
	}
	a.test = stats.NewConformal(a.history, a.Direction)
	a.usual = a.test.Median()
	if r, z := stats.Serial(a.history); z > dependent {
		a.serial = r
	}
	return true
}

// take lets one reading after the beginning count.
func (a *anomaly) take(v reading.Value) {
	a.last = v
	a.test.Add(v.Number, stats.Draw(a.seed, uint64(v.At.Sub(a.began)/a.Every)))
	switch e := a.test.LogE(); {
	case e >= -math.Log(a.FalseAlarm):
		a.alarm = true
	case e < 0: // as it was before, for long enough to say so
		a.alarm = false
	}
}

// signals says what stands now.
func (a *anomaly) signals() []rollout.Signal {
	x := rollout.Signal{Name: "anomaly " + a.Name}
	var out []rollout.Signal
	if a.serial != 0 {
		out = append(out, rollout.Signal{Name: x.Name + " (history)", Effect: rollout.SignalWarn, Message: fmt.Sprintf(
			"its readings depend on those before them (correlation %.2f): false alarms come more often than stated, so that it takes nothing back; read less often", a.serial)})
	}
	switch {
	case a.alarm:
		effect := a.Effect
		if a.serial != 0 && effect == rollout.SignalRollback {
			effect = rollout.SignalHold
		}
		x.Effect, x.Message = acts(effect, a.DryRun, fmt.Sprintf("is no longer what it was: at %s, and at %s before the rollout (evidence %s to 1; the alarm is at %s)",
			number(a.last.Number), number(a.usual), odds(a.test.LogE()), odds(-math.Log(a.FalseAlarm))))
	case !a.heard || a.missing != "":
		if x.Message = a.missing; !a.heard {
			x.Message = notRead
		}
		if x.Effect = rollout.SignalHold; a.OnMissing == Warn || a.DryRun {
			x.Effect = rollout.SignalWarn
		}
		if !a.heard && x.Effect == rollout.SignalWarn {
			return out
		}
	default:
		return out
	}
	return append(out, x)
}

// odds is evidence as people read it.
func odds(logE float64) string {
	if logE > math.Log(1e9) {
		return "over a billion"
	}
	return number(math.Round(math.Exp(logE)))
}
