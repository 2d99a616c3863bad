package app

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// loaded is a rollout of strangers with load.
func loaded(stable, canary, load string) string {
	return strings.Replace(strangers(stable, canary), "    metrics:", "    load: {rate: 200, request: {path: /score, json: {x: 1}}"+load+"}\n    metrics:", 1)
}

// TestAServiceWithoutUsersIsJudged by load alone: a good candidate is promoted,
// one that fails is taken back, and nothing is sent after the end.
func TestAServiceWithoutUsersIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		failing int
		want    rollout.Phase
	}{"good": {0, rollout.Promoted}, "failing": {60, rollout.RolledBack}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, loaded(model(t, 0), model(t, c.failing), ""), filepath.Join(t.TempDir(), "state.db"))
			<-s.done
			if s.outcome.Phase != c.want {
				t.Errorf("ended %+v, want %s", s.outcome, c.want)
			}
		})
	}
}

// TestLoadThatIsNotCounted decides nothing, and warms both versions up.
func TestLoadThatIsNotCounted(t *testing.T) {
	stable, canary := newScorer(t, 0.9), newScorer(t, 0.9)
	s := start(t, loaded(stable.url, canary.url, ", count: false"), filepath.Join(t.TempDir(), "state.db"))
	st := s.until("sent", func(engine.Status) bool {
		_, a := stable.seen("")
		_, b := canary.seen("")
		return a > 50 && b > 10
	})
	if st.Totals["stable"].Requests+st.Totals["canary"].Requests > 0 || st.Phase != rollout.Progressing || st.Step != 0 {
		t.Errorf("counted %+v, at step %d in phase %s", st.Totals, st.Step, st.Phase)
	}
	// Users decide.
	drive(s.ctx, t, s.gateway)
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v", s.outcome)
	}
}

// TestUsersCannotPassForLoad, which would take their requests out of the counts.
func TestUsersCannotPassForLoad(t *testing.T) {
	stable, canary := newScorer(t, 0.9), newScorer(t, 0.9)
	s := start(t, loaded(stable.url, canary.url, ", count: false"), filepath.Join(t.TempDir(), "state.db"))
	s.until("begun", func(st engine.Status) bool { return st.Phase == rollout.Progressing })
	for range 20 {
		req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.gateway+"/score", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Haldane-Load", "true")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	s.until("counted", func(st engine.Status) bool {
		return st.Totals["stable"].Requests+st.Totals["canary"].Requests == 20
	})
}

// TestBodiesOfLoad come from a file, a line each, and fill up what users leave.
func TestBodiesOfLoad(t *testing.T) {
	dir := t.TempDir()
	m := parse(t, loaded("http://127.0.0.1:1", "http://127.0.0.1:2", ""))
	l := m.Spec.Analysis.Load
	l.Request.JSON, l.Bodies = nil, &v1alpha1.Bodies{File: "lines"}
	if _, err := loadBodies(l, localArms(nil, dir)); err == nil || !strings.HasPrefix(err.Error(), "bodies.file: ") {
		t.Errorf("a file that is not there: %v", err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "lines"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("\n")
	if _, err := loadBodies(l, localArms(nil, dir)); err == nil || !strings.Contains(err.Error(), "has no lines") {
		t.Errorf("an empty file: %v", err)
	}
	write("{\"x\":1}\r\n{\"x\":2}")
	read, err := loadBodies(l, localArms(nil, dir))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(t.Context()); err != nil || len(got) != 2 || string(got[0]) != `{"x":1}` {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestUsersOfLoad: where users stay on their arm, those of load do as well, and
// are split as the file says.
func TestUsersOfLoad(t *testing.T) {
	text := strings.Replace(loaded(model(t, 0), model(t, 0), ", users: 400"), `routing: {gateway: {listen: "127.0.0.1:0"}}`,
		`routing: {gateway: {listen: "127.0.0.1:0"}, stickyBy: {cookie: session}}`, 1)
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v", s.outcome)
	}
}
