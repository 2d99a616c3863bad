package toggle

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

func TestHowASwitchStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{err: errors.New("no route to host")}
		s := New(Config{What: "the flag a", Read: k.read, Every: 10 * time.Second, Timeout: 2 * time.Second, Logger: slog.New(slog.DiscardHandler)})
		stands := func(after time.Duration, state engine.WatchState, effect rollout.Effect, says string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			all := s.Watches(about())
			if len(all) != 1 || all[0].State != state || all[0].Effect != effect || all[0].Says != says || all[0].Name != "the flag a" {
				t.Errorf("%+v, want %s %s %q", all, state, effect, says)
			}
		}
		stands(0, engine.WatchUnknown, "", "has not been read yet")
		s.Bind(func() {})
		defer s.Close()
		stands(time.Second, engine.WatchUnknown, "", "cannot be read: no route to host")
		k.set(Run, nil)
		stands(10*time.Second, engine.WatchPassing, "", "says run")
		k.set(Hold, nil)
		stands(10*time.Second, engine.WatchFailing, rollout.SignalHold, "says hold")
		k.set(Rollback, nil)
		stands(10*time.Second, engine.WatchFailing, rollout.SignalRollback, "says rollback")
		k.set("", errors.New("gone"))
		stands(10*time.Second, engine.WatchFailing, rollout.SignalRollback, "says rollback, as it was read last; it cannot be read now: gone")
		stands(time.Minute, engine.WatchUnknown, "", "cannot be read: gone")
	})
}
