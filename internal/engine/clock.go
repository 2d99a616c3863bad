package engine

import "time"

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
