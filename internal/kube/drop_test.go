package kube

import (
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
)

// stuck is somebody who is told of what happens, and does not come to an end.
type stuck struct{ release chan struct{} }

func (stuck) Bind(func())                         {}
func (stuck) Names() []string                     { return nil }
func (stuck) Tell(engine.About) map[string]uint64 { return nil }
func (s stuck) Close() map[string]uint64          { <-s.release; return nil }

// TestTheEndOfOneHoldsUpNobody: while messages of a rollout that is deleted are on
// their way, all others are driven on.
func TestTheEndOfOneHoldsUpNobody(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		s := stuck{make(chan struct{})}
		w.cfg.Adapters.Outside = func(cluster.Rollout) (Outside, error) { return Outside{Told: s}, nil }
		w.create(document())
		r := w.run()
		w.settle(r)
		if err := w.server.Delete(t.Context(), w.get()); err != nil {
			t.Fatal(err)
		}
		r.touch()
		time.Sleep(time.Minute)
		if !r.mu.TryLock() {
			t.Error("nobody else finds what drives it")
		} else {
			r.mu.Unlock()
		}
		close(s.release)
	})
}
