package hook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/outbox"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// server answers without a network: with a status, or with an error.
type server struct {
	mu     sync.Mutex
	status int // 0: no connection
	text   string
	header http.Header
	slow   time.Duration
	bodies []string
	at     []time.Time
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.bodies, s.at = append(s.bodies, string(body)), append(s.at, time.Now())
	status, text, slow, header := s.status, s.text, s.slow, s.header
	s.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text)), Header: header}, nil
}

func (s *server) say(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *server) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies)
}

func (s *server) config(hooks ...Hook) Config {
	for i := range hooks {
		h := &hooks[i]
		if h.Name == "" {
			h.Name = string(h.When)
		}
		h.URL, h.Timeout, h.Every = "http://hooks.shop/a", 5*time.Second, 10*time.Second
		h.Failures = 2
	}
	return Config{Hooks: hooks, Name: "churn", Namespace: "shop", Client: outbound.New(outbound.Options{Transport: s}), Logger: slog.New(slog.DiscardHandler)}
}

func climbing(attempt int) engine.About {
	return engine.About{Now: time.Now(), State: rollout.State{
		Phase: rollout.Progressing, Attempt: attempt, StepBegan: time.Now(),
		Plan: rollout.Plan{Stable: rollout.Revision{Version: "v1", Hash: "a"}, Canary: rollout.Revision{Version: "v2", Hash: "b"}},
	}}
}

func gate(kind rollout.GateKind, name string) []rollout.Gate {
	return []rollout.Gate{{ID: "b/1/0/" + string(kind) + "/" + name, Kind: kind, Name: name}}
}

func in(t *testing.T, status int, f func(t *testing.T, s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, &server{status: status}) })
}

func TestAGateIsAskedUntilItSaysYes(t *testing.T) {
	in(t, 403, func(t *testing.T, s *server) {
		s.text = "closed\nby bob"
		set := New(s.config(Hook{When: ConfirmPromotion}))
		defer set.Close()
		var woken atomic.Int64
		set.Bind(func() { woken.Add(1) })
		asks := gate(rollout.ConfirmPromotion, "confirmPromotion")
		look := func() []rollout.GateResult { return set.Answers(climbing(1), asks) }
		if got := look(); len(got) > 0 {
			t.Errorf("an answer before anybody could give one: %+v", got)
		}
		synctest.Wait()
		want := []rollout.GateResult{{ID: asks[0].ID, Message: "403 Forbidden: closed"}}
		if d := cmp.Diff(want, look()); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
		look()
		synctest.Wait()
		if n := s.calls(); n != 1 {
			t.Errorf("asked %d times at once", n)
		}
		s.say(200)
		time.Sleep(11 * time.Second)
		if woken.Load() != 2 { // the answer, and the time to ask again
			t.Errorf("%d wakes", woken.Load())
		}
		look()
		synctest.Wait()
		if got := look(); len(got) != 1 || !got[0].Passed || got[0].Message != "" {
			t.Errorf("answer %+v", got)
		}
		time.Sleep(time.Hour)
		look()
		synctest.Wait()
		if n := s.calls(); n != 2 {
			t.Errorf("asked %d times, want no more after the yes", n)
		}
		var body payload
		if err := json.Unmarshal([]byte(s.bodies[1]), &body); err != nil {
			t.Fatal(err)
		}
		if body.Name != "churn" || body.Namespace != "shop" || body.Phase != "Progressing" || body.Checksum != "b" ||
			body.Haldane.ID != asks[0].ID || body.Haldane.Canary != "v2" {
			t.Errorf("asked with %s", s.bodies[1])
		}
	})
}

func TestAQuestionThatIsAskedNoMoreIsGivenUp(t *testing.T) {
	in(t, 200, func(t *testing.T, s *server) {
		s.slow = time.Minute
		set := New(s.config(Hook{When: ConfirmPromotion}))
		set.Answers(climbing(1), gate(rollout.ConfirmPromotion, "confirmPromotion"))
		time.Sleep(time.Second)
		set.Answers(climbing(1), nil)
		began := time.Now()
		set.Close()
		if d := time.Since(began); d != 0 {
			t.Errorf("it went on for %s", d)
		}
		if got := set.Answers(climbing(1), gate(rollout.ConfirmPromotion, "somebody")); len(got) > 0 {
			t.Errorf("an answer for somebody else: %+v", got)
		}
	})
}

func TestNoAnswerIsTriedAgain(t *testing.T) {
	in(t, 0, func(t *testing.T, s *server) {
		c := s.config(Hook{When: PreRollout, Retries: 3})
		r := c.ask(t.Context(), c.Hooks[0], nil)
		if r.yes || r.known || r.message != "cannot be asked: ask hooks.shop: connection refused" || s.calls() != 4 {
			t.Errorf("%+v after %d attempts", r, s.calls())
		}
		for i := 1; i < len(s.at); i++ { // half a second doubled, half of it by chance
			if d := s.at[i].Sub(s.at[i-1]); d < 250*time.Millisecond<<(i-1) || d > 750*time.Millisecond<<(i-1) {
				t.Errorf("pause %d was %s", i, d)
			}
		}
		s.say(503)
		s.header = http.Header{"Retry-After": {"7"}}
		before := s.calls()
		if r = c.ask(t.Context(), c.Hooks[0], nil); r.known || !strings.Contains(r.message, "it says 503 Service Unavailable") || s.calls() != before+4 {
			t.Errorf("%+v after %d attempts", r, s.calls()-before)
		}
		if d := s.at[before+1].Sub(s.at[before]); d != 7*time.Second {
			t.Errorf("it asked to be left alone for 7s, and was for %s", d)
		}
		// An answer of no is one: the test has run.
		s.say(500)
		before = s.calls()
		if r = c.ask(t.Context(), c.Hooks[0], nil); !r.known || r.yes || s.calls() != before+1 {
			t.Errorf("%+v after %d attempts", r, s.calls()-before)
		}
		s.slow = time.Hour
		if r = c.ask(t.Context(), c.Hooks[0], nil); r.known || !strings.Contains(r.message, "no answer within 5s") {
			t.Errorf("%+v", r)
		}
	})
}

func TestASecretThatCannotBeRead(t *testing.T) {
	in(t, 200, func(t *testing.T, s *server) {
		c := s.config(Hook{When: PreRollout, Secret: func(context.Context) ([]byte, error) { return nil, errors.New("HOOK is empty or not there") }})
		if r := c.ask(t.Context(), c.Hooks[0], nil); r.known || s.calls() > 0 || !strings.Contains(r.message, "HOOK is empty") {
			t.Errorf("%+v after %d calls: want nothing sent unsigned", r, s.calls())
		}
	})
}

// TestWhatHooksSignal: by kind, by how it fails, and by what was answered.
func TestWhatHooksSignal(t *testing.T) {
	for name, c := range map[string]struct {
		hook   Hook
		status int
		rounds int
		want   rollout.Effect
		says   string
	}{
		"test passes":                {Hook{When: Rollout}, 200, 3, "", ""},
		"test fails once":            {Hook{When: Rollout}, 500, 1, rollout.SignalHold, "says no (1 of 2 in a row take it back): 500"},
		"test fails twice":           {Hook{When: Rollout}, 500, 2, rollout.SignalRollback, "has said no 2 times in a row: 500"},
		"test cannot be asked":       {Hook{When: Rollout}, 0, 9, rollout.SignalHold, "cannot be asked"},
		"open test cannot be asked":  {Hook{When: Rollout, FailOpen: true}, 0, 9, rollout.SignalWarn, "cannot be asked"},
		"test is unavailable":        {Hook{When: Rollout}, 503, 9, rollout.SignalHold, "cannot be asked: it says 503"},
		"not called back":            {Hook{When: Rollback}, 403, 3, "", ""},
		"called back":                {Hook{When: Rollback}, 200, 1, rollout.SignalRollback, "calls it back"},
		"who calls back is away":     {Hook{When: Rollback}, 0, 3, rollout.SignalHold, "cannot be asked"},
		"who may be away is":         {Hook{When: Rollback, FailOpen: true}, 502, 3, rollout.SignalWarn, "cannot be asked"},
		"gates are no signal":        {Hook{When: ConfirmPromotion}, 200, 3, "", ""},
		"who is told says nothing":   {Hook{When: Event}, 200, 3, "", ""},
		"the end is told afterwards": {Hook{When: PostRollout}, 200, 3, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, c.status, func(t *testing.T, s *server) {
				set := New(s.config(c.hook))
				defer set.Close()
				for range c.rounds {
					set.Signals(climbing(1))
					time.Sleep(10*time.Second + time.Millisecond)
				}
				got := set.Signals(climbing(1))
				if c.want == "" {
					if len(got) > 0 {
						t.Errorf("signals %+v, want none", got)
					}
					return
				}
				if len(got) != 1 || got[0].Effect != c.want || !strings.Contains(got[0].Message, c.says) ||
					got[0].Judged != (rollout.Judged{Revision: "b", Attempt: 1}) {
					t.Errorf("signals %+v, want %s: %s", got, c.want, c.says)
				}
			})
		})
	}
}

// TestSignalsAreOfAnAttempt: another one begins anew, and a no after a yes counts
// from one.
func TestSignalsAreOfAnAttempt(t *testing.T) {
	in(t, 500, func(t *testing.T, s *server) {
		set := New(s.config(Hook{When: Rollout}))
		defer set.Close()
		round := func(attempt int) []rollout.Signal {
			set.Signals(climbing(attempt))
			synctest.Wait()
			got := set.Signals(climbing(attempt))
			time.Sleep(10*time.Second + time.Millisecond)
			return got
		}
		round(1)
		s.say(200)
		round(1)
		s.say(500)
		if got := round(1); len(got) != 1 || got[0].Effect != rollout.SignalHold {
			t.Errorf("no, yes, no: %+v", got)
		}
		if got := round(2); len(got) != 1 || got[0].Effect != rollout.SignalHold || got[0].Judged.Attempt != 2 {
			t.Errorf("the next attempt: %+v", got)
		}
		done := climbing(2)
		done.State.Phase = rollout.RolledBack
		before := s.calls()
		if got := set.Signals(done); len(got) > 0 || s.calls() != before {
			t.Errorf("after the end: %+v", got)
		}
	})
}

func TestATestBeforeTheFirstStep(t *testing.T) {
	in(t, 500, func(t *testing.T, s *server) {
		set := New(s.config(Hook{When: PreRollout}))
		defer set.Close()
		a, asks := climbing(1), gate(rollout.ConfirmStart, "preRollout")
		a.State.Phase = rollout.Initializing
		for range 2 {
			if got := set.Signals(a); len(got) > 0 {
				t.Errorf("signals %+v", got)
			}
			set.Answers(a, asks)
			time.Sleep(10*time.Second + time.Millisecond)
		}
		if got := set.Signals(a); len(got) != 1 || got[0].Effect != rollout.SignalRollback || !strings.Contains(got[0].Message, "2 times in a row") {
			t.Errorf("signals %+v", got)
		}
	})
}

func TestAGateThatFailsOpen(t *testing.T) {
	in(t, 0, func(t *testing.T, s *server) {
		set := New(s.config(Hook{When: ConfirmPromotion, FailOpen: true}))
		defer set.Close()
		asks := gate(rollout.ConfirmPromotion, "confirmPromotion")
		set.Answers(climbing(1), asks)
		synctest.Wait()
		if got := set.Answers(climbing(1), asks); len(got) != 1 || !got[0].Passed {
			t.Errorf("answer %+v", got)
		}
		if got := set.Signals(climbing(1)); len(got) != 1 || got[0].Effect != rollout.SignalWarn {
			t.Errorf("signals %+v", got)
		}
	})
}

func TestWhoIsTold(t *testing.T) {
	in(t, 200, func(t *testing.T, s *server) {
		c := s.config(Hook{When: Event, Metadata: map[string]string{"room": "ml"}}, Hook{When: PostRollout}, Hook{When: Rollback})
		all := c.Channels()
		if len(all) != 2 || all[0].Name != "hook/event" || all[1].Name != "hook/postRollout" {
			t.Fatalf("channels %+v", all)
		}
		e := rollout.Event{ID: "e1", Number: 1, Kind: rollout.EventRolledBack, At: time.UnixMilli(1234567890123), Message: "v2 was taken back", Revision: "v2"}
		if all[1].Wants(rollout.Event{Kind: rollout.EventStep}) || !all[1].Wants(e) || !all[0].Wants(rollout.Event{Kind: rollout.EventStep}) {
			t.Error("they want other events than they should")
		}
		if err := all[0].Send(t.Context(), outbox.Message{Event: e, State: climbing(1).State}); err != nil {
			t.Fatal(err)
		}
		var body payload
		if err := json.Unmarshal([]byte(s.bodies[0]), &body); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"room": "ml", "eventMessage": "v2 was taken back", "eventType": "Warning", "timestamp": "1234567890123"}
		if d := cmp.Diff(want, body.Metadata); d != "" || body.Phase != "Failed" || body.Haldane.ID != "e1" {
			t.Errorf("told %s, metadata:\n%s", s.bodies[0], d)
		}
		if len(c.Hooks[0].Metadata) != 1 {
			t.Errorf("the hook's own metadata became %v", c.Hooks[0].Metadata)
		}
		for status, again := range map[int]bool{500: true, 503: true, 404: true, 400: false, 0: true} {
			s.say(status)
			err := all[0].Send(t.Context(), outbox.Message{Event: e})
			if err == nil || errors.Is(err, outbound.ErrRefused) || outbox.IsRefused(err) == again {
				t.Errorf("%d: %v, want it tried again: %v", status, err, again)
			}
		}
	})
}
