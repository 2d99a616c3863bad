package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// room is a channel's receiver.
type room struct {
	mu    sync.Mutex
	down  bool
	tries int
	said  []string // texts that arrived
}

func (r *room) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.down {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	var body struct{ Text string }
	_ = json.NewDecoder(q.Body).Decode(&body)
	r.said = append(r.said, body.Text)
}

func (r *room) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *room) seen() (said []string, tries int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said), r.tries
}

// TestMessagesAcrossARestart: one channel is well, another is down until the
// rollout has been stopped in its middle and started again. Both are told of
// everything once, in order, and neither holds anything up.
func TestMessagesAcrossARestart(t *testing.T) {
	well, away := &room{}, &room{down: true}
	a, b := httptest.NewServer(well), httptest.NewServer(away)
	t.Cleanup(a.Close)
	t.Cleanup(b.Close)
	secret := filepath.Join(t.TempDir(), "slack")
	if err := os.WriteFile(secret, []byte(b.URL+"/services/s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gate := receive(t)
	gate.answer("/confirmPromotion", http.StatusForbidden)
	all := ", when: [Started, Ready, Step, Promoting, Promoted], template: \"{{.Kind}} {{.Step}}\"}\n"
	text := hooked(t, model(t, 0), model(t, 0), gate.hook("confirmPromotion", ", every: 50ms")+
		"  notifications:\n  - {webhook: {url: \""+a.URL+"\"}"+all+"  - {slack: {urlFrom: {file: "+secret+"}}"+all)
	state := filepath.Join(t.TempDir(), "state.db")
	s := start(t, text, state)
	drive(s.ctx, t, s.gateway)
	st := s.until("waiting, one channel told, the other in trouble", func(st engine.Status) bool {
		said, _ := well.seen()
		return strings.Contains(st.Waiting, "confirmPromotion") && len(said) == 4 &&
			slices.ContainsFunc(st.Warnings, func(w string) bool { return strings.Contains(w, "notification/slack cannot be told") })
	})
	for _, w := range st.Warnings {
		if strings.Contains(w, "s3cret") {
			t.Errorf("a secret in %q", w)
		}
	}
	s.stop()
	<-s.done
	away.set(false)
	s = start(t, text, state)
	drive(s.ctx, t, s.gateway)
	gate.answer("/confirmPromotion", http.StatusOK)
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Fatalf("ended %+v", s.outcome)
	}
	want := []string{"Started 1", "Ready 1", "Step 1", "Step 2", "Promoting 3", "Promoted 3"}
	for name, r := range map[string]*room{"well": well, "away": away} {
		if got, _ := r.seen(); cmp.Diff(want, got) != "" {
			t.Errorf("%s was told (-want +got):\n%s", name, cmp.Diff(want, got))
		}
	}
}
