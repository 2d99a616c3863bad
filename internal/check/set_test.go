package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// arms are two servers without a network.
type arms struct {
	mu     sync.Mutex
	fails  [2]bool
	lost   bool // no address is known
	silent bool // nobody answers
	asked  [2]int
	live   int // requests under way
}

func (x *arms) address(_ context.Context, arm traffic.Arm, _ Check) (string, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lost {
		return "", errors.New("it has none")
	}
	return arm.String(), nil
}

func (x *arms) probe(ctx context.Context, address string) error {
	x.mu.Lock()
	arm := 0
	if address == traffic.Canary.String() {
		arm = 1
	}
	x.asked[arm]++
	fails, silent := x.fails[arm], x.silent
	x.live++
	x.mu.Unlock()
	if silent {
		<-ctx.Done()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.live--
	switch {
	case silent:
		return errors.New("does not answer in time")
	case fails:
		return errors.New("is wrong")
	}
	return nil
}

func (x *arms) set(stable, canary bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fails = [2]bool{stable, canary}
}

func (x *arms) count() (stable, canary int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.asked[0], x.asked[1]
}

func (x *arms) check() Check {
	return Check{Name: "golden", Probe: x.probe, Every: 30 * time.Second, Timeout: 5 * time.Second, Failures: 3,
		Effect: rollout.SignalRollback, Start: true, Running: true, Both: true}
}

func (x *arms) new(c ...Check) *Set {
	s := New(Config{Checks: c, Addresses: x.address, Name: "churn", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	s.Bind(func() {})
	return s
}

func state(p rollout.Phase, attempt int) engine.About {
	st := rollout.State{Phase: p, Attempt: attempt}
	st.Plan.Canary.Hash = "b"
	if p == rollout.Progressing || p == rollout.Paused || p == rollout.Promoting {
		st.StepBegan = time.Now()
	}
	return engine.About{Now: time.Now(), State: st}
}

// tick is one turn of the loop after everything under way has come back.
func (s *Set) tick(a engine.About, asks ...rollout.Gate) ([]rollout.GateResult, []rollout.Signal) {
	synctest.Wait()
	answers := s.Answers(a, asks)
	signals := s.Signals(a)
	s.Answers(a, asks)
	synctest.Wait()
	return answers, signals
}

var start = rollout.Gate{ID: "b/1/0/start/check golden", Kind: rollout.ConfirmStart, Name: "check golden"}

func one(t *testing.T, signals []rollout.Signal, effect rollout.Effect, says string) {
	t.Helper()
	if len(signals) != 1 || signals[0].Effect != effect || !strings.Contains(signals[0].Message, says) || signals[0].Name != "check golden" {
		t.Errorf("signals %+v, want %s that says %q", signals, effect, says)
	}
}

func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &arms{}
		x.set(false, true)
		s := x.new(x.check())
		defer s.Close()
		initializing := state(rollout.Initializing, 1)
		s.tick(initializing)
		if _, n := x.count(); n > 0 {
			t.Errorf("asked %d times before it was to", n)
		}
		s.tick(initializing, start)
		answers, signals := s.tick(initializing, start)
		if len(answers) != 1 || answers[0].Passed || answers[0].ID != start.ID || answers[0].Message != "failed (1 of 3 in a row): the candidate is wrong; stable passes" {
			t.Errorf("answers %+v", answers)
		}
		if len(signals) > 0 {
			t.Errorf("signals %+v: what holds the start is the gate", signals)
		}
		for range 2 {
			time.Sleep(31 * time.Second)
			s.tick(initializing, start)
		}
		_, signals = s.tick(initializing, start)
		one(t, signals, rollout.SignalRollback, "failed 3 times in a row: the candidate is wrong; stable passes")
		// The next attempt begins anew, and passes.
		x.set(false, false)
		again := state(rollout.Initializing, 2)
		s.tick(again, start)
		answers, signals = s.tick(again, start)
		if len(answers) != 1 || !answers[0].Passed || len(signals) > 0 {
			t.Errorf("answers %+v, signals %+v", answers, signals)
		}
	})
}

func TestRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &arms{}
		s := x.new(x.check())
		defer s.Close()
		live := state(rollout.Progressing, 1)
		turn := func() []rollout.Signal {
			time.Sleep(31 * time.Second)
			s.tick(live)
			_, signals := s.tick(live)
			return signals
		}
		if signals := turn(); len(signals) > 0 {
			t.Errorf("signals %+v", signals)
		}
		x.set(false, true)
		one(t, turn(), rollout.SignalHold, "failed (1 of 3 in a row)")
		one(t, turn(), rollout.SignalHold, "failed (2 of 3 in a row)")
		x.set(true, true)
		one(t, turn(), rollout.SignalHold, "fails on both versions")
		x.set(false, true)
		one(t, turn(), rollout.SignalHold, "failed (1 of 3 in a row)")
		x.mu.Lock()
		x.lost = true
		x.mu.Unlock()
		one(t, turn(), rollout.SignalHold, "cannot be sent: it has none")
		x.mu.Lock()
		x.lost = false
		x.mu.Unlock()
		turn()
		one(t, turn(), rollout.SignalRollback, "failed 3 times in a row")
		_, before := x.count()
		_, signals := s.tick(state(rollout.Promoting, 1))
		time.Sleep(5 * time.Minute)
		s.tick(state(rollout.Promoting, 1))
		if _, n := x.count(); n != before || len(signals) > 0 {
			t.Errorf("asked %d times more while it is promoted; signals %+v", n-before, signals)
		}
	})
}

// TestEffects: what Hold and Warn do instead.
func TestEffects(t *testing.T) {
	for effect, want := range map[rollout.Effect][3]rollout.Effect{
		rollout.SignalHold: {rollout.SignalHold, rollout.SignalHold, rollout.SignalHold},
		rollout.SignalWarn: {"", rollout.SignalWarn, rollout.SignalWarn},
	} {
		t.Run(string(effect), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &arms{}
				x.set(false, true)
				c := x.check()
				c.Effect, c.Start, c.Both, c.Failures = effect, false, false, 2
				s := x.new(c)
				defer s.Close()
				live := state(rollout.Progressing, 1)
				for i, effect := range want {
					s.tick(live)
					_, signals := s.tick(live)
					if effect == "" && len(signals) > 0 {
						t.Errorf("after %d failures: %+v", i+1, signals)
					}
					if effect != "" {
						one(t, signals, effect, "the candidate is wrong")
					}
					time.Sleep(31 * time.Second)
				}
				if stable, _ := x.count(); stable > 0 {
					t.Errorf("stable was asked %d times", stable)
				}
			})
		})
	}
}

// TestClose gives up what is under way, and neither sends nor wakes after that.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &arms{silent: true}
		c := x.check()
		c.Timeout = time.Hour
		s := x.new(c)
		live := state(rollout.Progressing, 1)
		s.tick(live)
		s.Close()
		s.Close()
		if _, n := x.count(); x.live != 0 || n != 1 {
			t.Errorf("%d requests, %d under way", n, x.live)
		}
		s.tick(live)
		if _, n := x.count(); n != 1 {
			t.Errorf("%d requests after the end", n)
		}
	})
}

// TestNeverTakenBackWithStable: whatever the servers do, a rollback needs as
// many results in a row as the file says, each of a candidate that fails while
// stable does not.
func TestNeverTakenBackWithStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := 0
		p := &poll{check: Check{Failures: rapid.IntRange(1, 4).Draw(t, "failures"), Effect: rollout.SignalRollback, Every: time.Hour, Both: true}}
		s := New(Config{Logger: slog.New(slog.DiscardHandler)})
		defer s.Close()
		for i := range rapid.IntRange(1, 12).Draw(t, "results") {
			r := rapid.SampledFrom([]Result{
				{}, {Canary: errors.New("wrong"), Asked: true}, {Canary: errors.New("wrong"), Asked: true, Stable: errors.New("wrong")},
				{Canary: Unsent(errors.New("lost"))}, {Canary: errors.New("wrong"), Asked: true, Stable: Unsent(errors.New("lost"))},
			}).Draw(t, fmt.Sprint(i))
			s.hear(t.Context(), p, r)
			switch {
			case r.Canary == nil, r.Shared():
				row = 0
			case !r.Unsent():
				row++
			}
			taken := !r.Passed() && p.effect() == rollout.SignalRollback
			if want := !r.Passed() && !r.Shared() && !r.Unsent() && row >= p.check.Failures; taken != want {
				t.Fatalf("taken back: %t after %d in a row of %d, %+v", taken, row, p.check.Failures, r)
			}
		}
	})
}

func TestConfirm(t *testing.T) {
	x := &arms{}
	a, b := x.check(), x.check()
	b.Name, b.Start = "later", false
	got := Confirm([]Check{a, b})
	if len(got) != 1 || got[0] != (rollout.Confirm{Kind: rollout.ConfirmStart, Name: "check golden"}) {
		t.Errorf("asks %+v", got)
	}
}

// TestVariants are asked like the candidate, and the one that fails is named.
func TestVariants(t *testing.T) {
	x := &arms{}
	c := x.check()
	asked := ""
	c.Probe = func(_ context.Context, address string) error {
		asked += address + " "
		if address == "arm2" {
			return errors.New("is wrong")
		}
		return nil
	}
	variants := []Arm{{Arm: 2, Name: "arm small"}, {Arm: 3, Name: "arm large"}}
	r := c.Ask(t.Context(), x.address, variants...)
	if r.Passed() || r.Shared() || r.Who != "arm small" || asked != "canary arm2 stable " {
		t.Errorf("%+v after %s", r, asked)
	}
	p := &poll{check: c, last: r, row: 3}
	if got := p.sentence(); got != "failed 3 times in a row: arm small is wrong; stable passes" {
		t.Errorf("says %q", got)
	}
}
