package fleet_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// all says that every key is this replica's.
func all(uint64) bool { return true }

// open returns a gateway without a table, and what carries one to it.
func open(t *testing.T, o telemetry.Options, mine func(uint64) bool) (*gateway.Gateway, *fleet.Recorders, *fleet.Carrier, *[]string) {
	t.Helper()
	r := fleet.NewRecorders(o, mine)
	g, err := gateway.New(gateway.Config{Recorder: r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	var revisions []string
	return g, r, fleet.NewCarrier(g, r, func(revision string) { revisions = append(revisions, revision) }), &revisions
}

// document is one whose candidate is served nowhere.
func document(generation uint64, canary traffic.Weight, revision string) fleet.Document {
	d := fleet.Document{Rollout: "shop/churn", Revision: revision, Split: traffic.Split{Generation: generation, Canary: canary}}
	d.Arms[traffic.Stable].URL = "http://churn-stable"
	d.Arms[traffic.Stable].Version, d.Arms[traffic.Canary].Version = "v1", "v2"
	return d
}

func encode(t *testing.T, d fleet.Document) string {
	t.Helper()
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decide sends one request through g's policy, and answers it.
func decide(g *gateway.Gateway, key string) (finish func()) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-User", key)
	d := g.Policy().Decide(&gateway.Request{Head: head{r}, Method: r.Method, Path: "/"})
	return func() { g.Policy().Observe(&d, &gateway.Result{Head: head{r}, Status: http.StatusOK}) }
}

type head struct{ r *http.Request }

func (h head) Header(name string) string { return h.r.Header.Get(name) }
func (h head) Cookie(string) string      { return "" }

func TestDocumentTravels(t *testing.T) {
	want := document(7, 500, "r1")
	want.Split.Mirror, want.Split.Sticky = 4000, traffic.Sticky{Cookie: "session"}
	want.Split.Always = []traffic.Match{{Header: &traffic.Field{Name: "x-beta", Exact: "1"}}}
	want.Cohorts = map[string][]string{"b": {"2"}, "a": {"1"}}
	want.Arms[0].URL = "http://churn-stable:80"
	want.Load = fleet.NewLoad(&gateway.Load{Digest: sha256.Sum256([]byte("secret")), Count: true})
	text := encode(t, want)
	got, err := fleet.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if again := encode(t, got); again != text || fleet.Digest(again) != fleet.Digest(text) {
		t.Error("equal documents, other texts")
	}
	for _, bad := range []string{"", "{", `{"rollout":"a","future":1}`, "[]", "{}", `{"rollout":"a"}`} {
		if _, err := fleet.Decode(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestLoadIsToldByTheTable: a gateway that carries it knows load by its mark, and
// by no other; a digest that is none recognises nothing.
func TestLoadIsToldByTheTable(t *testing.T) {
	g, _, c, _ := open(t, telemetry.Options{}, all)
	is := func(mark string) bool {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(gateway.HeaderLoad, mark)
		d := g.Policy().Decide(&gateway.Request{Head: head{r}, Method: r.Method, Path: "/"})
		if d.Load && !d.Warmup {
			t.Error("load that is not to count is no warm-up")
		}
		return d.Load
	}
	d := document(1, 500, "r1")
	for _, x := range []struct {
		load *fleet.Load
		mark string
		want bool
	}{
		{nil, "secret", false},
		{fleet.NewLoad(&gateway.Load{Digest: sha256.Sum256([]byte("secret"))}), "secret", true},
		{fleet.NewLoad(&gateway.Load{Digest: sha256.Sum256([]byte("secret"))}), "true", false},
		{&fleet.Load{Digest: "none"}, "secret", false},
	} {
		d.Load = x.load
		if err := c.Take(encode(t, d)); err != nil {
			t.Fatal(err)
		}
		if got := is(x.mark); got != x.want {
			t.Errorf("%+v: %q is load: %t", x.load, x.mark, got)
		}
	}
}

func TestAckNamesWhatIsCarried(t *testing.T) {
	g, _, c, revisions := open(t, telemetry.Options{}, all)
	if a := c.Ack(); a.Digest != "" || a.Level != traffic.Unknown {
		t.Errorf("before the first: %+v", a)
	}
	first := encode(t, document(1, 500, "r1"))
	if err := c.Take(first); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fleet.Ack{Digest: fleet.Digest(first), Level: traffic.Accepted}, c.Ack()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	bad := document(2, 500, "r2")
	bad.Arms[0].URL = "ftp://models"
	if err := c.Take(encode(t, bad)); err == nil {
		t.Fatal("an upstream that is none was taken")
	}
	a := c.Ack()
	if a.Digest != fleet.Digest(first) || a.Refused != fleet.Digest(encode(t, bad)) || !strings.Contains(a.Why, "ftp") {
		t.Errorf("%+v", a)
	}
	if table, _ := g.Table(); table.Revision != "r1" {
		t.Errorf("the table is of %s", table.Revision)
	}
	if last := (*revisions)[len(*revisions)-1]; last != "r1" {
		t.Errorf("predictions are noted for %s", last)
	}
	if err := c.Take(first); err != nil || c.Ack().Refused != "" {
		t.Errorf("the same again: %v, %+v", err, c.Ack())
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fleet.AckPath, nil))
	var told fleet.Ack
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told != c.Ack() {
		t.Errorf("%v: %s", err, w.Body)
	}
}

// TestRevisionsAreCountedApart: a request that was decided for one revision is
// never counted for the next, and counters begin at zero with each.
func TestRevisionsAreCountedApart(t *testing.T) {
	g, r, c, _ := open(t, telemetry.Options{}, all)
	take := func(d fleet.Document) {
		t.Helper()
		if err := c.Take(encode(t, d)); err != nil {
			t.Fatal(err)
		}
	}
	requests := func() (n int64) {
		s := r.Snapshot()
		return s.Arms[0].Requests + s.Arms[1].Requests
	}
	take(document(5, 5000, "r1"))
	decide(g, "")()
	late := decide(g, "")
	if n := requests(); n != 1 {
		t.Fatalf("%d requests", n)
	}
	take(document(6, 5000, "r2"))
	if n := requests(); n != 0 {
		t.Errorf("the new revision begins with %d", n)
	}
	late()
	if n := requests(); n != 0 {
		t.Errorf("a request of the former revision was counted: %d", n)
	}
	decide(g, "")()
	// A split whose generation begins anew makes nothing stale for ever.
	take(document(1, 100, "r2"))
	decide(g, "")()
	s := r.Snapshot()
	if n := requests(); n != 2 || s.Arms[0].Stale+s.Arms[1].Stale != 0 {
		t.Errorf("%d requests, %+v", n, s.Arms)
	}
	if got := r.Serving(); got.Revision != "r2" || got.Rollout != "shop/churn" {
		t.Errorf("%+v", got)
	}
	// Another name for an arm is another series, which begins at zero too.
	renamed := document(1, 100, "r2")
	renamed.Arms[0].Version = "v2"
	take(renamed)
	if n := requests(); n != 0 {
		t.Errorf("under another version it begins with %d", n)
	}
}

func TestStaleIsStaleWithinARevision(t *testing.T) {
	g, r, c, _ := open(t, telemetry.Options{}, all)
	if err := c.Take(encode(t, document(1, 5000, "r1"))); err != nil {
		t.Fatal(err)
	}
	late := decide(g, "")
	if err := c.Take(encode(t, document(2, 100, "r1"))); err != nil {
		t.Fatal(err)
	}
	decide(g, "")()
	late()
	s := r.Snapshot()
	if s.Arms[0].Stale+s.Arms[1].Stale != 1 || s.Arms[0].Requests+s.Arms[1].Requests != 1 {
		t.Errorf("%+v", s.Arms)
	}
}

// TestUsersAreCountedOnce by all replicas together, by the one that they belong
// to, and not by one that begins in the middle.
func TestUsersAreCountedOnce(t *testing.T) {
	sticky := func(generation uint64, canary traffic.Weight) string {
		d := document(generation, canary, "r1")
		d.Split.Sticky, d.Split.Salt = traffic.Sticky{Header: "x-user"}, "churn"
		return encode(t, d)
	}
	peers := []string{"10.0.0.1:8081", "10.0.0.2:8081", "10.0.0.3:8081"}
	var counted, stable, canary int64
	for _, self := range peers {
		p := fleet.NewPeers(self, func(context.Context) ([]string, error) { return append([]string(nil), peers...), nil })
		if err := p.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		g, r, c, _ := open(t, telemetry.Options{Sticky: true}, p.Mine)
		for generation, weight := range []traffic.Weight{0, 5000} {
			if err := c.Take(sticky(uint64(generation+1), weight)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 600 {
			decide(g, fmt.Sprint("user-", i))()
		}
		var here int64
		for _, a := range r.Snapshot().Assigned {
			here += a.Stable + a.Canary
			stable, canary = stable+a.Stable, canary+a.Canary
		}
		// 200 each in the mean, with a standard deviation below 12.
		if here < 100 || here > 300 {
			t.Errorf("%s counted %d of 600 users", self, here)
		}
		counted += here
	}
	if counted != 600 {
		t.Errorf("%d users were counted, want 600", counted)
	}
	// The arm of a user does not depend on who counts it.
	if math.Abs(float64(stable-canary)) > 150 {
		t.Errorf("%d on stable, %d on the canary", stable, canary)
	}
	g, r, c, _ := open(t, telemetry.Options{Sticky: true}, all)
	if err := c.Take(sticky(9, 5000)); err != nil {
		t.Fatal(err)
	}
	decide(g, "user-1")()
	if got := r.Snapshot(); len(got.Assigned) != 0 || got.Arms[0].Requests+got.Arms[1].Requests != 1 {
		t.Errorf("one that begins in the middle counts users again: %+v", got.Assigned)
	}
}

// TestOwnersMoveLittle: all agree on an owner, and a replica that goes moves
// only the keys that were its own.
func TestOwnersMoveLittle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "replicas")
		addresses := make([]string, n)
		for i := range addresses {
			addresses[i] = fmt.Sprintf("10.0.0.%d:8081", i)
		}
		known := func(self string, list []string) *fleet.Peers {
			p := fleet.NewPeers(self, func(context.Context) ([]string, error) { return append([]string(nil), list...), nil })
			if err := p.Look(t.Context()); err != nil {
				rt.Fatal(err)
			}
			return p
		}
		gone := addresses[rapid.IntRange(0, n-1).Draw(rt, "gone")]
		var left []string
		for _, a := range addresses {
			if a != gone {
				left = append(left, a)
			}
		}
		backward := append([]string(nil), addresses...)
		for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
			backward[i], backward[j] = backward[j], backward[i]
		}
		before, other, after := known(addresses[0], addresses), known(addresses[n-1], backward), known(addresses[0], left)
		for range 50 {
			key := rapid.Uint64().Draw(rt, "key")
			at, self := before.Owner(key)
			if same, _ := other.Owner(key); same != at {
				rt.Fatalf("%s says %s, %s says %s", addresses[0], at, addresses[n-1], same)
			}
			if self != (at == addresses[0]) {
				rt.Fatalf("%s is mine: %v", at, self)
			}
			if now, _ := after.Owner(key); at != gone && now != at {
				rt.Fatalf("a key of %s went to %s when %s left", at, now, gone)
			}
		}
	})
}

func TestPeersThatCannotBeFoundStay(t *testing.T) {
	answer, fail := []string{"b:1", "a:1", "b:1"}, error(nil)
	p := fleet.NewPeers("a:1", func(context.Context) ([]string, error) { return append([]string(nil), answer...), fail })
	if at, self := p.Owner(1); at != "a:1" || !self || len(p.Others()) != 0 {
		t.Error("alone at first")
	}
	if err := p.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"b:1"}, p.Others()); d != "" {
		t.Error(d)
	}
	answer = nil
	if err := p.Look(t.Context()); err != nil || len(p.Others()) != 1 {
		t.Errorf("an empty answer: %v, %v", err, p.Others())
	}
	fail = errors.New("no such host")
	if err := p.Look(t.Context()); !errors.Is(err, fail) || len(p.Others()) != 1 {
		t.Errorf("%v, %v", err, p.Others())
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx, slog.New(slog.DiscardHandler)) }()
	cancel()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("Run does not end")
	}
}
