package feedback

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// replica is one of several, with a server for the others.
type replica struct {
	*world
	relay  *Relay
	server *httptest.Server
	url    string // as the others know it
}

// ring gives keys to replicas in turn.
type ring struct {
	self int
	all  []*replica
}

// Owner implements Peers.
func (r ring) Owner(key uint64) (string, bool) {
	i := int(key % uint64(len(r.all)))
	return r.all[i].url, i == r.self
}

// Others implements Peers.
func (r ring) Others() []string {
	var out []string
	for i, x := range r.all {
		if i != r.self {
			out = append(out, x.url)
		}
	}
	return out
}

func replicas(t *testing.T, n int) []*replica {
	t.Helper()
	all := make([]*replica, n)
	for i := range all {
		w := openWorld(t, filepath.Join(t.TempDir(), "db"), Options{
			Rollout: "churn", Revision: "v2", Maturity: time.Minute, TTL: 3 * time.Hour, CohortLength: 10 * time.Second,
		})
		t.Cleanup(w.close)
		w.nonce = uint64(i) << 32 // each makes IDs of its own
		all[i] = &replica{world: w}
	}
	for i, x := range all {
		x.relay = NewRelay(x.ledger, ring{i, all}, "secret of them all")
		x.server = httptest.NewServer(x.relay.Peer())
		x.url = strings.TrimPrefix(x.server.URL, "http://")
		t.Cleanup(x.server.Close)
	}
	return all
}

// sum adds up what all replicas know of mature predictions.
func sumOf(t *testing.T, all []*replica) map[string]Part {
	t.Helper()
	out := map[string]Part{}
	for _, x := range all {
		x.at(10 * time.Minute)
		parts, _, err := x.ledger.Parts(Question{Revision: "v2", From: start, Now: x.now()})
		if err != nil {
			t.Fatal(err)
		}
		for arm := range parts {
			for as, p := range parts[arm].Classes {
				s := out[as]
				s.Predicted += p.Predicted
				s.Labelled += p.Labelled
				s.Wrong += p.Wrong
				s.Value.Add(p.Value)
				out[as] = s
			}
		}
	}
	return out
}

// TestSentToAllCountsOnce whoever makes the prediction and whoever is told.
func TestSentToAllCountsOnce(t *testing.T) {
	all := replicas(t, 3)
	for i := range 30 {
		made := all[i%3]
		class := fmt.Sprint(i % 2)
		id := made.id(made.claims(traffic.Canary, class))
		made.ledger.Predicted(traffic.Canary, class, start)
		label, err := Label(id, 1)
		if err != nil {
			t.Fatal(err)
		}
		value := Item{ID: id, HasValue: true, Value: 2}
		for j := range 3 {
			want := []Status{Duplicate, Duplicate}
			if j == 0 {
				want = []Status{Accepted, Accepted}
			}
			got, err := all[(i+j)%3].relay.Put(t.Context(), []Item{label, value})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("prediction %d, replica %d:\n%s", i, j, d)
			}
		}
	}
	for i, x := range all {
		if x.ledger.Tally().Labelled[traffic.Canary] == 0 {
			t.Errorf("replica %d has no label", i)
		}
	}
	want := map[string]Part{
		Positive: {Predicted: 15, Labelled: 15, Value: Moments{N: 15, Sum: 30, SumSq: 60}},
		Negative: {Predicted: 15, Labelled: 15, Wrong: 15, Value: Moments{N: 15, Sum: 30, SumSq: 60}},
	}
	if d := cmp.Diff(want, sumOf(t, all)); d != "" {
		t.Errorf("together they know (-want +got):\n%s", d)
	}
}

// TestRequestIDsAreFoundAtAll: the client's own ID is known to whoever answered
// it, and the newest prediction has it.
func TestRequestIDsAreFoundAtAll(t *testing.T) {
	all := replicas(t, 3)
	old, fresh := all[1].claims(traffic.Stable, "1"), all[2].claims(traffic.Canary, "0")
	fresh.Time = fresh.Time.Add(time.Second)
	all[1].ledger.Index("order-7", all[1].id(old))
	all[2].ledger.Index("order-7", all[2].id(fresh))
	body := `[{"requestId":"order-7","label":0},{"requestId":"order-8","label":0},{"id":"junk","label":0}]`
	for i, want := range [][]Status{{Accepted, Unknown, Malformed}, {Duplicate, Unknown, Malformed}, {Duplicate, Unknown, Malformed}} {
		w := httptest.NewRecorder()
		all[i].relay.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/feedback", strings.NewReader(body)))
		var receipt Receipt
		if err := json.Unmarshal(w.Body.Bytes(), &receipt); err != nil || w.Code != http.StatusAccepted {
			t.Fatalf("%d %v: %s", w.Code, err, w.Body)
		}
		for j, x := range receipt.Results {
			if x.Status != want[j] {
				t.Errorf("replica %d, item %d: %s, want %s", i, j, x.Status, want[j])
			}
		}
	}
	var canary int64
	for _, x := range all {
		canary += x.ledger.Tally().Labelled[traffic.Canary]
	}
	if canary != 1 {
		t.Errorf("%d labels for the newest prediction", canary)
	}
}

// TestLabelsTravelAsTheyAre: a label that another replica judges is judged as if
// it had come there.
func TestLabelsTravelAsTheyAre(t *testing.T) {
	all := replicas(t, 2)
	for label, want := range map[string]int64{`1`: 0, `"1"`: 0, `1.0`: 0, `true`: 1, `"yes, \"really\""`: 1, `1e300`: 1} {
		for _, told := range all {
			made := all[0]
			id := made.id(made.claims(traffic.Stable, "1"))
			before := all[0].wrong() + all[1].wrong()
			w := httptest.NewRecorder()
			told.relay.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/feedback", strings.NewReader(`{"id":"`+id+`","label":`+label+`}`)))
			if w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"accepted":1`) {
				t.Fatalf("label %s: %d %s", label, w.Code, w.Body)
			}
			if got := all[0].wrong() + all[1].wrong() - before; got != want {
				t.Errorf("label %s: %d wrong, want %d", label, got, want)
			}
		}
	}
}

// wrong is how many labels of any age a replica has found wrong.
func (r *replica) wrong() (n int64) {
	if err := scan(r.ledger, cohortsBucket, 0, start.Add(time.Hour).UnixMilli(), decodeCounts, func(_ cell, c counts) bool {
		n += c.wrong
		return true
	}); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// TestReplicaAway: what belongs to a replica that does not answer is to be sent
// again, and what the others took is then a duplicate.
func TestReplicaAway(t *testing.T) {
	all := replicas(t, 2)
	var items []Item
	for range 20 { // some of each
		it, err := Label(all[0].id(all[0].claims(traffic.Stable, "1")), "1")
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, it)
	}
	all[1].server.Close()
	if _, err := all[0].relay.Put(t.Context(), items); err == nil {
		t.Fatal("nothing went wrong")
	}
	body, _ := json.Marshal([]map[string]any{{"id": items[0].ID, "label": 1}, {"requestId": "order-1", "label": 1}})
	w := httptest.NewRecorder()
	all[0].relay.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/feedback", strings.NewReader(string(body))))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("a request ID that the other may know: %d %s", w.Code, w.Body)
	}
	all[1].server = httptest.NewServer(all[1].relay.Peer())
	all[1].url = strings.TrimPrefix(all[1].server.URL, "http://")
	t.Cleanup(all[1].server.Close)
	got, err := all[0].relay.Put(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range got {
		if s != Accepted && s != Duplicate {
			t.Errorf("item %d: %s", i, s)
		}
	}
	if n := all[0].ledger.Tally().Labelled[traffic.Stable] + all[1].ledger.Tally().Labelled[traffic.Stable]; n != 20 {
		t.Errorf("%d labels are kept of 20", n)
	}
}

func TestOnlyReplicasMayHandOver(t *testing.T) {
	all := replicas(t, 1)
	for _, path := range []string{itemsPath, findPath} {
		for _, token := range []string{"", "another"} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`[]`))
			r.Header.Set(HeaderPeer, token)
			w := httptest.NewRecorder()
			all[0].relay.Peer().ServeHTTP(w, r)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s with token %q: %d", path, token, w.Code)
			}
		}
	}
	r := httptest.NewRequest(http.MethodPost, findPath, strings.NewReader(`{`))
	r.Header.Set(HeaderPeer, "secret of them all")
	w := httptest.NewRecorder()
	all[0].relay.Peer().ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("what cannot be read: %d", w.Code)
	}
}

// TestRelayIsBounded: beyond the bound feedback is refused, not queued.
func TestRelayIsBounded(t *testing.T) {
	all := replicas(t, 2)
	for range relayAtOnce {
		all[0].relay.slots <- struct{}{}
	}
	var refused int
	for range 20 {
		it, err := Label(all[0].id(all[0].claims(traffic.Stable, "1")), "1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all[0].relay.Put(t.Context(), []Item{it}); err != nil {
			refused++
		}
	}
	if kept := all[0].ledger.Tally().Labelled[traffic.Stable]; refused == 0 || kept == 0 || int64(refused)+kept != 20 {
		t.Errorf("%d refused, %d kept", refused, kept)
	}
}

func TestBatchesStayTogether(t *testing.T) {
	w := newWorld(t)
	c := w.claims(traffic.Stable, "")
	c.Count = 3
	id := w.id(c)
	if keyOf(id+".0") != keyOf(id+".2") || keyOf(id) != keyOf(id+".1") {
		t.Error("predictions of one request belong to several replicas")
	}
	other := w.id(predictionid.Claims{Time: start, Nonce: 99})
	if keyOf(id) == keyOf(other) {
		t.Error("two requests have one key")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.ledger.Find(ctx, []string{"a"}); err == nil {
		t.Error("an ended context is not noticed")
	}
}
