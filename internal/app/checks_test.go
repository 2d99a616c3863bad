package app

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/check"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// scorer answers every request with a score, and notes who asked.
type scorer struct {
	url string

	mu     sync.Mutex
	score  float64
	users  int            // requests that are no checks
	checks map[string]int // by name
	bodies map[string]string
}

func newScorer(t *testing.T, score float64) *scorer {
	x := &scorer{score: score, checks: map[string]int{}, bodies: map[string]string{}}
	s := httptest.NewServer(x)
	t.Cleanup(s.Close)
	x.url = s.URL
	return x
}

func (x *scorer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	x.mu.Lock()
	defer x.mu.Unlock()
	if name := r.Header.Get(check.Header); name != "" {
		x.checks[name]++
		x.bodies[name] = r.Method + " " + r.URL.Path + " " + string(body)
	} else if r.Method == http.MethodPost {
		x.users++
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"label":"yes","score":%g}`, x.score)
}

func (x *scorer) set(score float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.score = score
}

func (x *scorer) seen(name string) (checks, users int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.checks[name], x.users
}

// checked is a rollout of strangers with checks.
func checked(stable, canary, checks string) string {
	return strings.Replace(strangers(stable, canary), "    metrics:", "    checks:\n"+checks+"    metrics:", 1)
}

const goldenCheck = `    - name: golden
      request: {path: /score, json: {x: 1}}
      expect: status == 200 && headers["content-type"] == "application/json" && latency < duration("30s")
      golden: {json: {score: 0.9}, tolerance: 0.05}
      every: 50ms
      timeout: 30s
      failures: 2
`

// TestAWrongModelIsCaughtBeforeAnyUser: the golden request fails, and no user's
// request has reached the candidate.
func TestAWrongModelIsCaughtBeforeAnyUser(t *testing.T) {
	stable, canary := newScorer(t, 0.9), newScorer(t, 0.2)
	s := start(t, checked(stable.url, canary.url, goldenCheck), filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	<-s.done
	want := "check golden: failed 2 times in a row: the candidate says score is 0.2, where 0.9 was expected (tolerance 0.05): it answered 200 OK"
	if s.outcome.Phase != rollout.RolledBack || !strings.Contains(s.outcome.Reason, want) || !strings.Contains(s.outcome.Reason, "stable passes") {
		t.Errorf("ended %+v", s.outcome)
	}
	if n, users := canary.seen("golden"); n < 2 || users > 0 {
		t.Errorf("the candidate had %d checks and %d requests of users", n, users)
	}
	if got := canary.bodies["golden"]; got != `POST /score {"x":1}` {
		t.Errorf("it was sent %s", got)
	}
}

// TestARolloutThatHasEnded is left alone when it is run again, whatever has become
// of the files that it sent.
func TestARolloutThatHasEnded(t *testing.T) {
	stable, canary := newScorer(t, 0.9), newScorer(t, 0.2)
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "state.db")
	body := filepath.Join(dir, "body.json")
	if err := os.WriteFile(body, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := checked(stable.url, canary.url, strings.Replace(goldenCheck, "json: {x: 1}", "bodyFile: "+body, 1)+
		"    load: {rate: 1, request: {path: /score}, bodies: {file: "+body+"}}\n")
	for range 2 {
		out, err := Run(t.Context(), cli.RunOptions{Rollout: parse(t, text), Dir: dir, State: state, API: "127.0.0.1:0",
			Logger: slog.New(slog.DiscardHandler)})
		if err != nil || out.Phase != rollout.RolledBack {
			t.Fatalf("ended %+v, %v", out, err)
		}
		_ = os.Remove(body)
	}
}

// TestChecksGoOnWhileThereIsTraffic: a candidate that becomes wrong later is
// taken back, although the evidence has nothing against it.
func TestChecksGoOnWhileThereIsTraffic(t *testing.T) {
	r := receive(t)
	r.answer("/confirmPromotion", http.StatusForbidden)
	stable, canary := newScorer(t, 0.9), newScorer(t, 0.9)
	text := checked(stable.url, canary.url, goldenCheck)
	t.Setenv("HALDANE_TEST_SECRET", signedBy)
	text = strings.Replace(text, "  analysis:\n", "  hooks:\n"+r.hook("confirmPromotion", ", every: 50ms")+"  analysis:\n", 1)
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	s.until("waiting", func(st engine.Status) bool { return strings.Contains(st.Waiting, "confirmPromotion") })
	if n, _ := stable.seen("golden"); n > 0 {
		t.Errorf("stable was asked %d times while the candidate passed", n)
	}
	canary.set(0.1)
	<-s.done
	if s.outcome.Phase != rollout.RolledBack || !strings.Contains(s.outcome.Reason, "check golden: failed 2 times in a row") {
		t.Errorf("ended %+v", s.outcome)
	}
}

// TestWhatStableCannotDoEitherHolds, and takes nothing back.
func TestWhatStableCannotDoEitherHolds(t *testing.T) {
	stable, canary := newScorer(t, 0.1), newScorer(t, 0.2)
	s := start(t, checked(stable.url, canary.url, goldenCheck), filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	s.until("held", func(st engine.Status) bool {
		n, _ := canary.seen("golden")
		return n > 4 && strings.Contains(st.Waiting, "Waiting for check golden to confirm the start: fails on both versions, which is not the candidate's fault")
	})
	stable.set(0.9)
	canary.set(0.9)
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v", s.outcome)
	}
}

// TestChecksAreNoEvidence: what checks are sent is in no count.
func TestChecksAreNoEvidence(t *testing.T) {
	stable, canary := newScorer(t, 0.9), newScorer(t, 0.9)
	text := checked(stable.url, canary.url, strings.Replace(goldenCheck, "every: 50ms", "every: 1ms", 1))
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	s.until("started", func(st engine.Status) bool { return st.Phase == rollout.Progressing })
	st := s.until("checked", func(engine.Status) bool { n, _ := canary.seen("golden"); return n > 20 })
	if st.Totals["stable"].Requests+st.Totals["canary"].Requests > 0 {
		t.Errorf("counted %+v", st.Totals)
	}
	drive(s.ctx, t, s.gateway)
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v", s.outcome)
	}
}

// TestAFileThatIsNotThere is told before anything is served.
func TestAFileThatIsNotThere(t *testing.T) {
	text := checked("http://127.0.0.1:1", "http://127.0.0.1:2", "    - {name: golden, request: {bodyFile: nowhere.json}}\n")
	m := parse(t, text)
	_, err := checks(m, localArms(nil, t.TempDir()))
	if err == nil || !strings.Contains(err.Error(), "spec.analysis.checks[0].request.bodyFile: ") {
		t.Errorf("error %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "answer.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	m = parse(t, checked("http://127.0.0.1:1", "http://127.0.0.1:2", "    - {name: golden, request: {body: x}, golden: {file: answer.json}}\n"))
	if _, err := checks(m, localArms(nil, dir)); err == nil || !strings.Contains(err.Error(), "spec.analysis.checks[0].golden: is no JSON") {
		t.Errorf("error %v", err)
	}
}

// TestCheckOnce: what `haldane check` says, of servers that run.
func TestCheckOnce(t *testing.T) {
	stable, canary := newScorer(t, 0.9), newScorer(t, 0.2)
	o := cli.CheckOptions{Rollout: parse(t, checked(stable.url, canary.url, goldenCheck)), Dir: t.TempDir(), Wait: time.Minute,
		Logger: slog.New(slog.DiscardHandler), Output: io.Discard}
	got, err := Check(t.Context(), o)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[0].Arm != "stable" || !got[0].Passed || got[1].Arm != "canary" || got[1].Passed || !strings.Contains(got[1].Message, "says score is 0.2") {
		t.Errorf("%+v", got)
	}
	o.Rollout = parse(t, checked(stable.url, "http://127.0.0.1:1", goldenCheck))
	o.Wait = 200 * time.Millisecond
	if _, err := Check(t.Context(), o); err == nil || !strings.Contains(err.Error(), "canary") {
		t.Errorf("a server that is not there: %v", err)
	}
}

// TestVariantsAreChecked: a variant of an experiment that is wrong keeps it from
// beginning.
func TestVariantsAreChecked(t *testing.T) {
	stable, canary, third := newScorer(t, 0.9), newScorer(t, 0.9), newScorer(t, 0.2)
	s := start(t, fmt.Sprintf(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: strangers}
spec:
  endpoints:
    stable: {version: v1, url: %q, readiness: {interval: 100ms}}
    canary: {version: v2, url: %q, readiness: {interval: 100ms}}
    variants:
      v3: {version: v3, url: %q, readiness: {interval: 100ms}}
  strategy:
    experiment:
      goal: {outcome: {maturity: 300ms}}
      maxDuration: 2m
      scaleDownDelay: 100ms
  routing: {gateway: {listen: "127.0.0.1:0"}}
  analysis:
    interval: 100ms
    warmup: 200ms
    checks:
%s`, stable.url, canary.url, third.url, goldenCheck), filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	<-s.done
	if s.outcome.Phase != rollout.RolledBack || !strings.Contains(s.outcome.Reason, "check golden: failed 2 times in a row: arm v3 says score is 0.2") {
		t.Errorf("ended %+v", s.outcome)
	}
	if _, users := third.seen("golden"); users > 0 {
		t.Errorf("it had %d requests of users", users)
	}
}
