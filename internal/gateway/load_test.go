package gateway

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/haldane-dev/haldane/internal/predictionid"
)

// marked is a gateway that knows load by the text "secret".
func marked(t *testing.T, count bool) (r *rig, upstream func() []string, told func() int) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	events := 0
	h := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		seen = append(seen, q.Header.Get(HeaderLoad))
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(oip("0.9")))
	})
	r = start(t, h, h, func(c *Config) {
		c.OnPrediction = func(PredictionEvent) { mu.Lock(); events++; mu.Unlock() }
	})
	table, _ := r.Gateway.Table()
	table.Load = &Load{Digest: sha256.Sum256([]byte("secret")), Count: count, Watch: true}
	if err := r.SetTable(table); err != nil {
		t.Fatal(err)
	}
	return r, func() []string { mu.Lock(); defer mu.Unlock(); return seen }, func() int { mu.Lock(); defer mu.Unlock(); return events }
}

// TestLoadIsTold from users, whatever those write.
func TestLoadIsTold(t *testing.T) {
	for _, c := range []struct {
		mark        string
		count       bool
		load, warms bool
	}{
		{"secret", true, true, false},
		{"secret", false, true, true},
		{"Secret", false, false, false},
		{"true", false, false, false},
		{strings.Repeat("s", 4096), false, false, false},
		{"", false, false, false},
	} {
		r, upstream, told := marked(t, c.count)
		resp, _ := do(t, client(t), "POST", r.url(inferPath), "{}", HeaderLoad, c.mark)
		x := r.ledger.exchange(t, 0)
		if x.Warmup != c.warms {
			t.Errorf("%+v: warm-up %t", c, x.Warmup)
		}
		want, users, events := "", uint64(1), 1
		if c.load {
			want, users, events = "true", 0, 0
		}
		if got := upstream(); len(got) != 1 || got[0] != want {
			t.Errorf("%+v: the model was told %q", c, got)
		}
		if r.UserRequests() != users || told() != events {
			t.Errorf("%+v: %d requests of users, %d predictions to be labelled", c, r.UserRequests(), told())
		}
		claims, err := r.codec.Decode(resp.Header.Get(HeaderPredictionID))
		if err != nil {
			t.Fatal(err)
		}
		if got := claims.Flags&predictionid.WarmUp != 0; got != c.load {
			t.Errorf("%+v: its prediction ID takes labels: %t", c, !got)
		}
	}
}
