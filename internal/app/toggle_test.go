package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// toggledBy is a rollout of strangers with a switch.
func toggledBy(t *testing.T, lines string) string {
	text := strings.Replace(strangers(model(t, 0), model(t, 0)), "  routing:", "  switch: "+lines+"\n  routing:", 1)
	return strings.Replace(text, "maxIncrease: 20pp", "maxIncrease: 0.01pp", 1) // nothing is promoted meanwhile
}

func begun(st engine.Status) bool { return st.Phase == rollout.Progressing }

// TestAFlagHoldsARollout, lets it go on, and takes the candidate back.
func TestAFlagHoldsARollout(t *testing.T) {
	var value atomic.Value
	value.Store("false")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(sent), `"targetingKey":"strangers"`) {
			t.Errorf("evaluated for %s", sent)
		}
		_, _ = fmt.Fprintf(w, `{"key":"go","value":%s}`, value.Load())
	}))
	defer server.Close()
	text := toggledBy(t, fmt.Sprintf("{flag: {url: %q, key: go}, every: 100ms}", server.URL))
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	held := s.until("held", func(st engine.Status) bool { return strings.Contains(st.Waiting, "the flag go says hold") })
	if begun(held) {
		t.Errorf("it began: %+v", held)
	}
	value.Store(`"run"`)
	s.until("begun", begun)
	value.Store(`"rollback"`)
	<-s.done
	if s.outcome.Phase != rollout.RolledBack || !strings.Contains(s.outcome.Reason, "the flag go says rollback") {
		t.Errorf("ended %+v", s.outcome)
	}
}

func TestAFileHoldsARollout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "switch")
	text := toggledBy(t, fmt.Sprintf("{file: %q, every: 100ms}", file))
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	s.until("held", func(st engine.Status) bool { return strings.Contains(st.Waiting, "cannot be read") })
	if err := os.WriteFile(file, []byte("run\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.until("begun", begun)
	s.stop()
	<-s.done
	// Where unknown means go on, nothing is waited for.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s = start(t, strings.Replace(text, "every: 100ms", "every: 100ms, onUnknown: Continue", 1), filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	s.until("begun", begun)
}
