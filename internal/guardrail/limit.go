package guardrail

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Missing says what no value does.
type Missing string

// What no value does.
const (
	Hold Missing = "Hold" // holds the rollout
	Warn Missing = "Warn" // is told
	Fail Missing = "Fail" // counts as a value outside the limits
)

// Limit is a number and its limits.
type Limit struct {
	Name     string // unique
	Reader   reading.Reader
	Min, Max *float64 // nil: none
	// Failures among the last Of readings take effect, 1 ≤ Failures ≤ Of.
	Failures, Of int
	Every        time.Duration
	Effect       rollout.Effect
	DryRun       bool
	OnMissing    Missing
}

// limit is one in an attempt.
type limit struct {
	Limit
	of reading.Vars

	heard   bool
	last    float64
	missing string // why there is no value; "" if there is one
	outside []bool // of the last readings, the newest at the end
}

func (l *limit) ask(ctx context.Context) ([]reading.Value, error) {
	v, err := l.Reader.Read(ctx, l.of, time.Now())
	return []reading.Value{v}, err
}

func (l *limit) hear(values []reading.Value, err error) {
	l.heard, l.missing = true, ""
	if err != nil {
		l.missing = err.Error()
		if l.OnMissing == Fail {
			l.push(true)
		}
		return
	}
	l.last = values[0].Number
	l.push(l.breach() != "")
}

func (l *limit) push(outside bool) {
	l.outside = append(l.outside, outside)
	if len(l.outside) > l.Of {
		l.outside = l.outside[1:]
	}
}

// breach says how the last value is outside the limits, "" if it is not.
func (l *limit) breach() string {
	switch {
	case l.Max != nil && l.last > *l.Max:
		return fmt.Sprintf("is at %s, above its max of %s", number(l.last), number(*l.Max))
	case l.Min != nil && l.last < *l.Min:
		return fmt.Sprintf("is at %s, below its min of %s", number(l.last), number(*l.Min))
	}
	return ""
}

// count is how many of the last readings were outside.
func (l *limit) count() (n int) {
	for _, o := range l.outside {
		if o {
			n++
		}
	}
	return n
}

// signals says what stands now.
func (l *limit) signals() []rollout.Signal {
	x := rollout.Signal{Name: "guardrail " + l.Name}
	n := l.count()
	what := l.breach()
	switch {
	case l.missing != "":
		what = "cannot be read: " + l.missing
	case what == "":
		what = fmt.Sprintf("is at %s again", number(l.last))
	}
	switch {
	case !l.heard:
		if l.OnMissing == Warn || l.DryRun {
			return nil
		}
		x.Effect, x.Message = rollout.SignalHold, notRead
	case n >= l.Failures:
		x.Effect, x.Message = acts(l.Effect, l.DryRun, fmt.Sprintf("%s; outside its limits in %d of %d readings", what, n, len(l.outside)))
	case l.missing != "":
		x.Effect, x.Message = rollout.SignalHold, what
		if l.OnMissing == Warn || l.DryRun {
			x.Effect = rollout.SignalWarn
		}
	case l.outside[len(l.outside)-1] && l.Effect == rollout.SignalRollback && !l.DryRun:
		x.Effect, x.Message = rollout.SignalHold, fmt.Sprintf("%s; outside its limits in %d of the last readings, and %d of %d take it back", what, n, l.Failures, l.Of)
	default:
		return nil
	}
	return []rollout.Signal{x}
}

// acts is what an effect comes to, and what is said of it.
func acts(x rollout.Effect, dry bool, message string) (rollout.Effect, string) {
	if !dry {
		return x, message
	}
	would := map[rollout.Effect]string{
		rollout.SignalRollback: "take the candidate back", rollout.SignalHold: "hold the rollout", rollout.SignalWarn: "warn",
	}[x]
	return rollout.SignalWarn, message + " (dry run: it would " + would + ")"
}

// number is one as people read it.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }
