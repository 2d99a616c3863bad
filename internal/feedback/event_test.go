package feedback

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func eventOptions() Options {
	return Options{
		Rollout: "churn", Revision: "v2", Maturity: time.Minute, TTL: 3 * time.Hour, CohortLength: 10 * time.Second,
		Events:  map[string]Bounds{"checkout": {0, 100}, "error": {}},
		UserKey: xxhash.Sum64String,
	}
}

func newShop(t *testing.T) *world {
	t.Helper()
	w := openWorld(t, filepath.Join(t.TempDir(), "db"), eventOptions())
	t.Cleanup(w.close)
	return w
}

// serve makes a prediction for a user and returns its ID.
func (w *world) serve(arm traffic.Arm, user string, flags predictionid.Flags) string {
	cl := w.claims(arm, "yes")
	cl.Flags = flags
	id := w.id(cl)
	p := Prediction{Arm: arm, Time: cl.Time, Class: "yes", PredictionID: id, Forced: flags&predictionid.Forced != 0}
	if user != "" {
		p.User = xxhash.Sum64String(user)
	}
	w.ledger.Answered(p)
	return id
}

func event(name, id string, value float64) Item {
	return Item{ID: id, Event: name, HasValue: true, Value: value}
}

func TestEventsAreCountedOnceForAPrediction(t *testing.T) {
	w := newShop(t)
	a, b := w.serve(traffic.Canary, "", 0), w.serve(traffic.Canary, "", 0)
	w.serve(traffic.Canary, "", 0)
	w.serve(traffic.Stable, "", 0)
	w.expect("the first", event("checkout", a, 40), Accepted)
	w.expect("the same", event("checkout", a, 40), Duplicate)
	w.expect("another value", event("checkout", a, 41), Conflict)
	w.expect("of another prediction, beyond the bounds", event("checkout", b, 250), Accepted)
	w.expect("another event", event("error", a, 1), Accepted)
	w.expect("one that nobody asks for", event("refund", a, 1), Unused)
	w.expect("a value of feedback beside it", Item{ID: a, HasValue: true, Value: 3}, Accepted)
	w.expect("of a forced request", event("checkout", w.serve(traffic.Canary, "", predictionid.Forced), 1), Apart)
	other := w.claims(traffic.Canary, "")
	other.Rollout++
	w.expect("of another rollout", event("checkout", w.id(other), 1), Unknown)
	w.expect("without an ID", event("checkout", "nonsense", 1), Malformed)
	w.kill() // what was answered is on disk
	w.expect("the same after a crash", event("checkout", a, 40), Duplicate)
	for range 3 { // the crash may have lost predictions
		w.serve(traffic.Canary, "", 0)
	}
	w.at(50 * time.Second)
	if got := w.matured(Question{}).Arms[traffic.Canary].Events; got != nil {
		t.Errorf("before they are mature: %v", got)
	}
	w.at(71 * time.Second)
	w.expect("after maturity", event("error", b, 1), Late)
	got := w.matured(Question{})
	want := map[string]Came{"checkout": {2, Moments{2, 140, 11600}}, "error": {1, Moments{1, 1, 1}}}
	if d := cmp.Diff(want, got.Arms[traffic.Canary].Events); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if got.Arms[traffic.Canary].Predicted < 3 || got.Arms[traffic.Stable].Events != nil {
		t.Errorf("%+v", got.Arms)
	}
	if again := w.matured(Question{After: got.Next}); again.Arms[traffic.Canary].Events != nil {
		t.Errorf("handed over twice: %v", again.Arms[traffic.Canary].Events)
	}
}

// A user's event is of the arm that served them last, whatever the weight is
// now.
func TestEventsOfUsers(t *testing.T) {
	w := newShop(t)
	of := func(user string, at time.Duration) Item {
		it := Item{User: user, Event: "checkout", HasValue: true, Value: 1}
		if at > 0 {
			it.At = start.Add(at)
		}
		return it
	}
	w.serve(traffic.Stable, "ann", 0)
	w.expect("of whom nothing is known", of("ben", 0), Unknown)
	w.expect("not written yet", of("ann", 0), Accepted)
	w.expect("again", of("ann", 0), Duplicate)
	w.at(5 * time.Second)
	w.serve(traffic.Canary, "ann", 0) // the weight was raised
	w.serve(traffic.Canary, "eve", predictionid.Forced)
	if err := w.ledger.Flush(); err != nil {
		t.Fatal(err)
	}
	w.kill()
	w.expect("before the newest prediction", of("ann", 4*time.Second), Unknown)
	w.expect("at the newest prediction", of("ann", 5*time.Second), Accepted)
	w.expect("of a forced user", of("eve", 0), Apart)
	w.at(71 * time.Second)
	got := w.matured(Question{})
	for arm := range got.Arms[:traffic.NumArms] {
		if n := got.Arms[arm].Events["checkout"].N; n != 1 {
			t.Errorf("%s has %d events, want 1", traffic.Arm(arm), n)
		}
	}
	if w.ledger.Index(userIndex(7), "id") {
		t.Error("a client's request ID can be a user's")
	}
}

func TestEventsAsTheyAreSent(t *testing.T) {
	w := newShop(t)
	id := w.serve(traffic.Stable, "ann", 0)
	post := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(body))
		rec := httptest.NewRecorder()
		w.ledger.Events().ServeHTTP(rec, r)
		return rec
	}
	got := post(`[{"name":"checkout","id":"` + id + `","value":9.5},{"name":"error","user":"ann","at":"2026-03-01T12:00:00Z"}]`)
	if got.Code != http.StatusAccepted || !strings.Contains(got.Body.String(), `"accepted":2`) {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	for body, want := range map[string]string{
		`{"id":"a"}`: "name",
		`{"name":"` + strings.Repeat("x", 64) + `"}`: "63",
		`{"name":"a"}`:                           "exactly one of",
		`{"name":"a","id":"b","user":"c"}`:       "exactly one of",
		`{"name":"a","user":""}`:                 "empty",
		`{"name":"a","id":"b","value":"c"}`:      "value cannot be a string",
		`{"name":"a","id":"b","at":"yesterday"}`: "yesterday",
		`{"name":"a","id":"b","label":"c"}`:      "label",
		`[null]`:                                 "null",
		`{"name":"a","requestId":"` + strings.Repeat("x", 257) + `"}`: "257",
	} {
		if got := post(body); got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s: %d %s, want something about %q", body, got.Code, got.Body, want)
		}
	}
	w.ledger.opt.UserKey = nil
	if got := post(`{"name":"a","user":"ann"}`); got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), "stickyBy") {
		t.Errorf("without users: %d %s", got.Code, got.Body)
	}
}

// Whatever is sent, in whatever order and how often: each prediction has an event
// of a name once, with the value that came first.
func TestEventsAreASet(t *testing.T) {
	w := newShop(t)
	now, after := time.Duration(0), time.Time{}
	rapid.Check(t, func(r *rapid.T) {
		ids := make([]string, 4)
		for i := range ids {
			ids[i] = w.serve(traffic.Arm(i%2), "", 0)
		}
		want := [traffic.NumArms]Came{}
		seen := map[string]bool{}
		var items []Item
		for range rapid.IntRange(0, 12).Draw(r, "sent") {
			i, v := rapid.IntRange(0, 3).Draw(r, "of"), rapid.IntRange(0, 3).Draw(r, "value")
			items = append(items, event("checkout", ids[i], float64(v)))
			if !seen[ids[i]] {
				seen[ids[i]] = true
				x := float64(v)
				want[i%2].N++
				want[i%2].Value.Add(Moments{1, x, x * x})
			}
		}
		cut := rapid.IntRange(0, len(items)).Draw(r, "in the first request")
		w.put(items[:cut]...)
		w.put(items[cut:]...)
		now += 2 * time.Minute
		w.at(now)
		got := w.matured(Question{After: after})
		after = got.Next
		for arm := range want {
			if d := cmp.Diff(want[arm], got.Arms[arm].Events["checkout"]); d != "" {
				r.Errorf("%s (-want +got):\n%s", traffic.Arm(arm), d)
			}
		}
	})
}

// TestEventsAmongReplicas: whoever of them is told, by ID or by user.
func TestEventsAmongReplicas(t *testing.T) {
	all := replicas(t, 3)
	for _, x := range all {
		x.ledger.opt.Events, x.ledger.opt.UserKey = eventOptions().Events, xxhash.Sum64String
	}
	for i := range 12 {
		user := fmt.Sprint("user", i)
		all[i%3].serve(traffic.Stable, user, 0)
		all[(i+1)%3].at(time.Second)
		id := all[(i+1)%3].serve(traffic.Canary, user, 0) // the newest is another replica's
		for j, x := range all {
			want := []Status{Duplicate, Duplicate}
			if j == 0 {
				want[0] = Accepted
			}
			got, err := x.relay.Put(t.Context(), []Item{{User: user, Event: "checkout", HasValue: true, Value: 2}, event("checkout", id, 2)})
			if err != nil {
				t.Fatal(err)
			}
			if got[0] != want[0] || (j > 0 && got[1] != want[1]) {
				t.Errorf("user %d at replica %d: %v", i, j, got)
			}
		}
		all[(i+1)%3].at(0)
	}
	sum := Came{}
	for _, x := range all {
		x.at(10 * time.Minute)
		parts, _, err := x.ledger.Parts(Question{Revision: "v2", From: start, Now: x.now()})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(parts[traffic.Stable].Events); n > 0 {
			t.Errorf("stable has %d events", n)
		}
		c := parts[traffic.Canary].Events["checkout"]
		sum.N += c.N
		sum.Value.Add(c.Value)
	}
	if d := cmp.Diff(Came{12, Moments{12, 24, 48}}, sum); d != "" {
		t.Errorf("over all replicas (-want +got):\n%s", d)
	}
}
