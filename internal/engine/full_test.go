package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestFullDiskHolds: while nothing can be saved nothing advances, and nothing
// is counted twice once it can.
func TestFullDiskHolds(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(5)
		w.full.Store(true)
		time.Sleep(10 * time.Minute)
		s := r.Status()
		if s.Observed.Canary != traffic.Percent(5) {
			t.Errorf("with a full disk it went to %s", s.Observed.Canary)
		}
		const want = "traffic stays as it is: write churn.db: no space left on device. Make room on the disk"
		if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], want) {
			t.Errorf("warnings %q", s.Warnings)
		}
		if _, err := r.Submit(context.Background(), rollout.Command{Verb: rollout.Hold}); !errors.Is(err, errFull) {
			t.Errorf("a command that could not be saved: %v", err)
		}
		w.full.Store(false)
		if o := r.outcome(); o.Phase != rollout.Promoted {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		w.exact()
	})
}

// TestFullDiskDoesNotKeepABadModel: traffic leaves the canary although the
// rollback cannot be saved, stays away, and the rollback is saved when it can.
func TestFullDiskDoesNotKeepABadModel(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(25)
		w.full.Store(true)
		w.bad.Store(100)
		r.until("off the canary", func(s Status) bool { return s.Observed.Canary == 0 })
		w.bad.Store(0)
		time.Sleep(10 * time.Minute)
		if s, _ := w.router.Current(); s.Canary != 0 {
			t.Errorf("traffic went back to %s", s.Canary)
		}
		if !w.models.Scale().Canary {
			t.Error("a process was ended by a decision that was not saved")
		}
		if p := w.state().Phase; p != rollout.Progressing {
			t.Errorf("saved phase %s, though nothing could be saved", p)
		}
		w.full.Store(false)
		if o := r.outcome(); o.Phase != rollout.RolledBack {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		w.exact()
	})
}

// TestFullDiskFromTheStart: stable is served, the canary gets nothing, and the
// rollout begins once it can be saved.
func TestFullDiskFromTheStart(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.full.Store(true)
		r := w.run()
		time.Sleep(time.Minute)
		if s, ok := w.router.Current(); !ok || s.Canary != 0 {
			t.Errorf("the router carries %+v, %v", s, ok)
		}
		if !w.models.Scale().Stable {
			t.Error("stable does not run")
		}
		w.full.Store(false)
		if o := r.outcome(); o.Phase != rollout.Promoted {
			t.Errorf("outcome %+v", o)
		}
		r.halt()
		// What stable served before anything could be saved is no evidence.
		m, at := w.state().Evidence.Verdict.Metrics[0], decodeCount(w.state().Evidence.Verdict.Reason)
		if m.CanaryN != at.CanaryN || m.StableN >= at.StableN {
			t.Errorf("the evidence holds %d of %d and %d of %d requests", m.StableN, at.StableN, m.CanaryN, at.CanaryN)
		}
	})
}

func TestAbortOnAFullDisk(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		r := w.run()
		r.weight(5)
		w.full.Store(true)
		reply, err := r.Submit(context.Background(), rollout.Command{Verb: rollout.Abort, By: "ann"})
		if err != nil || !reply.Accepted || !strings.Contains(reply.Message, "not saved yet") {
			t.Errorf("abort: %+v, %v", reply, err)
		}
		if s, _ := w.router.Current(); s.Canary != 0 {
			t.Errorf("the canary still has %s", s.Canary)
		}
		w.full.Store(false)
		r.outcome()
		r.halt()
	})
}
