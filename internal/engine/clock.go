package engine

import (
	"fmt"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// jumpSize is the difference between the machine's clock and elapsed time
// that a person is told of.
const jumpSize = 5 * time.Second

// clock tells elapsed time as a date: it starts at the machine's clock and
// from then on moves with the monotonic clock alone. So a clock that is set
// forward while the engine runs ends no pause and passes no deadline, and one
// that is set back stops nothing. Time during which the machine slept does not
// count either: no traffic flowed. What the clock did while the engine was
// down is the state machine's business, which saves the time it last saw.
type clock struct {
	wall    func() time.Time
	base    time.Time // the machine's clock at the start, no monotonic reading
	started time.Time // the same with one
}

func newClock(wall func() time.Time) *clock {
	return &clock{wall: wall, base: wall().UTC().Round(0), started: time.Now()}
}

// now returns the time in UTC, with no monotonic reading, so that it survives
// being saved unchanged.
func (c *clock) now() time.Time { return c.base.Add(time.Since(c.started)).Round(0) }

// jump returns by how much the machine's clock has moved beside elapsed time
// since the start, or 0 if that is less than jumpSize.
func (c *clock) jump() time.Duration {
	d := c.wall().Round(0).Sub(c.now())
	if d.Abs() < jumpSize {
		return 0
	}
	return d.Round(time.Second)
}

// jumped says that the clock moved by d beside elapsed time.
func jumped(d time.Duration) string {
	way := "forward"
	if d < 0 {
		way = "back"
	}
	return fmt.Sprintf("The machine's clock was set %s by %s: timers go on by elapsed time, and nothing is lost", way, d.Abs())
}

// tellJump writes one line to the log for each jump of the machine's clock.
func (e *Engine) tellJump() {
	d := e.clock.jump()
	if (d - e.jumpTold).Abs() < jumpSize {
		return
	}
	e.jumpTold = d
	if d == 0 {
		e.log.Info("The machine's clock agrees with elapsed time again")
		return
	}
	e.log.Warn(jumped(d))
}

// awoke writes one line to the log if the clock stands before the time at which
// the rollout was last saved. What the core makes of it is its own business:
// running timers go on from what had elapsed.
func (e *Engine) awoke(s rollout.State) {
	if s.LastSeen.IsZero() {
		return
	}
	if d := s.LastSeen.Sub(e.clock.now()); d >= jumpSize {
		e.log.Warn(fmt.Sprintf("The machine's clock is %s behind the time at which this rollout was last saved: "+
			"its timers go on from where they were, and nothing is lost", d.Round(time.Second)))
	}
}
