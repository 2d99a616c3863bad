package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// peer is somebody who is told.
type peer struct {
	mu    sync.Mutex
	got   []uint64
	at    []time.Duration
	err   error
	slow  time.Duration
	began time.Time
}

func (p *peer) send(ctx context.Context, m Message) error {
	p.mu.Lock()
	err, slow := p.err, p.slow
	p.at = append(p.at, time.Since(p.began))
	p.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	if err == nil {
		p.mu.Lock()
		p.got = append(p.got, m.Event.Number)
		p.mu.Unlock()
	}
	return err
}

func (p *peer) set(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *peer) seen() []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *peer) tries() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.at)
}

// about is a state with events first to last, and how far everybody is.
func about(first, last uint64, told map[string]uint64, kinds ...rollout.EventKind) engine.About {
	s := rollout.State{Told: told}
	for n := first; n <= last; n++ {
		e := rollout.Event{ID: fmt.Sprint("e", n), Number: n, Kind: rollout.EventStep, Message: fmt.Sprint("step ", n), At: time.Now()}
		if i := int(n - first); i < len(kinds) {
			e.Kind = kinds[i]
		}
		s.Events = append(s.Events, e)
	}
	return engine.About{Now: time.Now(), State: s}
}

func in(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func box(cs ...Channel) *Box { return New(cs, slog.New(slog.DiscardHandler)) }

func TestEachChannelAtItsOwnPace(t *testing.T) {
	in(t, func(t *testing.T) {
		well, ill := &peer{began: time.Now()}, &peer{began: time.Now(), err: errors.New("down")}
		b := box(Channel{Name: "well", Send: well.send}, Channel{Name: "ill", Send: ill.send})
		var woken atomic.Int64
		b.Bind(func() { woken.Add(1) })
		told := map[string]uint64{"well": 1} // of 4
		b.Tell(about(1, 4, told))
		synctest.Wait()
		if d := cmp.Diff([]uint64{2, 3, 4}, well.seen()); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
		if d := cmp.Diff(map[string]uint64{"well": 4, "ill": 0}, b.Tell(about(1, 4, told))); d != "" {
			t.Errorf("positions (-want +got):\n%s", d)
		}
		if w := b.Warnings(); len(w) != 1 || !strings.Contains(w[0], `ill cannot be told that "step 1": down`) {
			t.Errorf("warnings %q", w)
		}
		time.Sleep(time.Hour)
		tries := ill.tries()
		if n := len(tries); n < 12 || n > 60 { // seconds first, five minutes and more at last
			t.Errorf("%d attempts in an hour: %s", n, tries)
		}
		ill.set(nil)
		time.Sleep(2 * longestPause)
		if d := cmp.Diff([]uint64{1, 2, 3, 4}, ill.seen()); d != "" {
			t.Errorf("told in the end (-want +got):\n%s", d)
		}
		if w := b.Warnings(); len(w) > 0 || woken.Load() < 4 {
			t.Errorf("warnings %q, %d wakes", w, woken.Load())
		}
		b.Close()
	})
}

func TestOnlyWhatIsWanted(t *testing.T) {
	in(t, func(t *testing.T) {
		p := &peer{began: time.Now()}
		b := box(Channel{Name: "a", Send: p.send, Wants: func(e rollout.Event) bool { return e.Kind == rollout.EventPromoted }})
		far := b.Tell(about(1, 3, nil, rollout.EventStarted, rollout.EventReady))
		if far["a"] != 3 || len(p.seen()) > 0 {
			t.Errorf("position %v, told %v: want to be past what is not wanted", far, p.seen())
		}
		b.Tell(about(4, 4, far, rollout.EventPromoted))
		synctest.Wait()
		if d := cmp.Diff([]uint64{4}, p.seen()); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
		b.Close()
	})
}

func TestWhatIsRefusedIsNotRepeated(t *testing.T) {
	in(t, func(t *testing.T) {
		p := &peer{began: time.Now(), err: Refused(errors.New("no such channel"))}
		b := box(Channel{Name: "a", Send: p.send})
		b.Tell(about(1, 1, nil))
		time.Sleep(time.Hour)
		if far := b.Tell(about(1, 1, nil)); far["a"] != 1 || len(p.tries()) != 1 {
			t.Errorf("position %v after %d attempts", far, len(p.tries()))
		}
		if w := b.Warnings(); len(w) != 1 || !strings.Contains(w[0], "a refuses messages: no such channel") {
			t.Errorf("warnings %q", w)
		}
		b.Close()
	})
}

// TestConditionsThatComeAndGo are told once in a while.
func TestConditionsThatComeAndGo(t *testing.T) {
	in(t, func(t *testing.T) {
		p := &peer{began: time.Now()}
		b := box(Channel{Name: "a", Send: p.send})
		flap := func(n uint64, k rollout.EventKind) {
			a := about(n, n, nil, k)
			a.State.Events[0].Message = "nothing can be measured"
			b.Tell(a)
			time.Sleep(time.Minute)
		}
		for n := range uint64(5) {
			flap(n+1, rollout.EventHeld)
		}
		flap(6, rollout.EventInvalid) // another kind is another matter
		flap(7, rollout.EventStep)
		flap(8, rollout.EventStep)
		time.Sleep(echo)
		flap(9, rollout.EventHeld)
		if d := cmp.Diff([]uint64{1, 6, 7, 8, 9}, p.seen()); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
		b.Close()
	})
}

func TestAnOrderlyEnd(t *testing.T) {
	in(t, func(t *testing.T) {
		quick, stuck := &peer{began: time.Now(), slow: time.Second}, &peer{began: time.Now(), slow: time.Hour}
		b := box(Channel{Name: "quick", Send: quick.send}, Channel{Name: "stuck", Send: stuck.send})
		b.Tell(about(1, 2, nil))
		began := time.Now()
		far := b.Close()
		if d := cmp.Diff(map[string]uint64{"quick": 1, "stuck": 0}, far); d != "" {
			t.Errorf("positions (-want +got):\n%s", d)
		}
		if d := time.Since(began); d != closeWithin {
			t.Errorf("it took %s", d)
		}
		b.Tell(about(1, 2, nil))
		time.Sleep(time.Hour)
		if d := cmp.Diff([]uint64{1}, quick.seen()); d != "" {
			t.Errorf("told after the end (-want +got):\n%s", d)
		}
	})
}
