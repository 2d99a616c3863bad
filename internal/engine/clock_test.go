package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// shifted lets a test set the machine's clock, and reads the log.
type shifted struct {
	by  atomic.Int64
	log bytes.Buffer // read it when the engine has halted
}

func (c *shifted) set(d time.Duration) { c.by.Store(int64(d)) }

func (c *shifted) config(cfg *Config) {
	cfg.Wall = func() time.Time { return time.Now().Add(time.Duration(c.by.Load())) }
	cfg.Logger = slog.New(slog.NewTextHandler(&c.log, nil))
}

// lines returns the lines of the log about the clock.
func (c *shifted) lines() []string {
	var out []string
	for line := range strings.Lines(c.log.String()) {
		if strings.Contains(line, "clock") {
			out = append(out, line)
		}
	}
	return out
}

// TestClockJumpIsOneLine: hours forward, or back, or twice: phase, step,
// evidence and deadline stay, each jump is one line in the log, and the clock's
// return is another.
func TestClockJumpIsOneLine(t *testing.T) {
	for _, jump := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				var clock shifted
				w.config = clock.config
				w.plan.Steps = []rollout.Step{{Weight: traffic.Percent(0.01)}, {Weight: traffic.Full}} // waits for its hour
				r := w.run()
				before := r.weight(0.01)
				saved := w.state()
				clock.set(jump)
				time.Sleep(10 * time.Minute)
				s := r.Status()
				if s.Phase != rollout.Progressing || s.Step != before.Step || !s.Deadline.Equal(before.Deadline) || s.Observed.Canary != before.Observed.Canary {
					t.Errorf("from %s, step %d, deadline %s to %s, step %d, deadline %s",
						before.Phase, before.Step, before.Deadline, s.Phase, s.Step, s.Deadline)
				}
				if now := w.state(); now.Evidence.LastBlock <= saved.Evidence.LastBlock || !now.Began.Equal(saved.Began) {
					t.Errorf("block %d after %d, began %s after %s", now.Evidence.LastBlock, saved.Evidence.LastBlock, now.Began, saved.Began)
				}
				if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "by 5h0m0s") {
					t.Errorf("warnings %q", s.Warnings)
				}
				clock.set(0)
				r.until("quiet", func(s Status) bool { return len(s.Warnings) == 0 })
				r.halt()
				w.exact()
				if all := clock.lines(); len(all) != 2 || !strings.Contains(all[0], "level=WARN") || !strings.Contains(all[1], "agrees") {
					t.Errorf("the log says\n%s", strings.Join(all, ""))
				}
			})
		})
	}
}

// TestClockJumpsWhileDown: an engine that starts by a clock that stands before
// the saved time, or hours after it, goes on from the saved state: the phase,
// the step and the evidence stay, and no deadline passes that nobody watched.
func TestClockJumpsWhileDown(t *testing.T) {
	for _, jump := range []time.Duration{26 * time.Hour, -26 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			in(t, func(t *testing.T, w *world) {
				var clock shifted
				w.config = clock.config
				w.plan.MaxDuration = 3 * time.Hour
				w.plan.Steps = []rollout.Step{{Weight: traffic.Percent(0.01)}, {Weight: traffic.Full}}
				r := w.run()
				r.weight(0.01)
				time.Sleep(10 * time.Minute)
				r.halt()
				saved := w.state()
				clock.set(jump)
				r = w.run()
				time.Sleep(10 * time.Minute)
				s := r.Status()
				if s.Phase != rollout.Progressing || s.Step != saved.Step || s.Observed.Canary != saved.Want.Split.Canary {
					t.Errorf("%s at step %d, %s", s.Phase, s.Step, s.Observed.Canary)
				}
				// Ten minutes each side of the gap, which counts an hour at the most.
				if left := s.Deadline.Sub(s.Now); left < 95*time.Minute || left > 165*time.Minute {
					t.Errorf("%s are left of three hours", left)
				}
				r.halt()
				w.exact()
				if now := w.state().Evidence.LastBlock; now <= saved.Evidence.LastBlock {
					t.Errorf("the evidence ends at block %d, and held %d before", now, saved.Evidence.LastBlock)
				}
				want := 0
				if jump < 0 {
					want = 1
				}
				if all := clock.lines(); len(all) != want || want == 1 && !strings.Contains(all[0], "behind the time at which this rollout was last saved") {
					t.Errorf("the log says\n%s", strings.Join(all, ""))
				}
			})
		})
	}
}
