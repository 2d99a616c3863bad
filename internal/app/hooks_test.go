package app

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

const signedBy = "a secret of both"

// call is what a receiver was sent.
type call struct {
	Path      string `json:"-"`
	Name      string
	Namespace string
	Phase     string
	Checksum  string
	Metadata  map[string]string
	Haldane   struct {
		ID, Hook, When string
		Event          *rollout.Event
	}
}

// receiver is a server of somebody's hooks. It refuses what is not signed.
type receiver struct {
	t      *testing.T
	url    string
	mu     sync.Mutex
	calls  []call
	status map[string]int // by path; 0 is 200
}

func receive(t *testing.T) *receiver {
	r := &receiver{t: t, status: map[string]int{}}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	mac := hmac.New(sha256.New, []byte(signedBy))
	mac.Write([]byte(q.Header.Get("Haldane-Timestamp") + "." + string(body)))
	if got, want := q.Header.Get("Haldane-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
		r.t.Errorf("%s: signature %q, want %q", q.URL.Path, got, want)
	}
	c := call{Path: q.URL.Path}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&c); err != nil {
		r.t.Errorf("%s: %v in %s", q.URL.Path, err, body)
	}
	r.mu.Lock()
	r.calls = append(r.calls, c)
	status := r.status[q.URL.Path]
	r.mu.Unlock()
	if status != 0 {
		http.Error(w, "not now", status)
	}
}

func (r *receiver) answer(path string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status[path] = status
}

// of returns the calls of a path, all for "".
func (r *receiver) of(path string) []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.calls), func(c call) bool { return path != "" && c.Path != path })
}

// hooked is a rollout of strangers with hooks.
func hooked(t *testing.T, stable, canary, hooks string) string {
	t.Setenv("HALDANE_TEST_SECRET", "\n"+signedBy+"\n")
	return strings.Replace(strangers(stable, canary), "  analysis:\n", "  hooks:\n"+hooks+"  analysis:\n", 1)
}

func (r *receiver) hook(when, more string) string {
	return "  - {when: " + when + ", url: " + r.url + "/" + when + ", timeout: 30s, secretFrom: {env: HALDANE_TEST_SECRET}" + more + "}\n"
}

func TestEveryHookInItsOrder(t *testing.T) {
	r := receive(t)
	r.answer("/rollback", http.StatusForbidden)
	asked := ", every: 100ms"
	text := hooked(t, model(t, 0), model(t, 0),
		r.hook("confirmPromotion", asked)+r.hook("preRollout", asked+", metadata: {type: bash, cmd: make test}")+r.hook("event", "")+
			r.hook("confirmRollout", asked)+r.hook("confirmTrafficIncrease", asked)+r.hook("rollout", asked)+
			r.hook("rollback", asked)+r.hook("postRollout", ""))
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Fatalf("ended %+v", s.outcome)
	}
	var first []string
	for _, c := range r.of("") {
		if c.Path != "/event" && c.Path != "/rollback" && !slices.Contains(first, c.Path) {
			first = append(first, c.Path)
		}
	}
	want := []string{"/confirmRollout", "/preRollout", "/confirmTrafficIncrease", "/rollout", "/confirmPromotion", "/postRollout"}
	if d := cmp.Diff(want, first); d != "" {
		t.Errorf("order:\n%s", d)
	}
	if n := len(r.of("/confirmTrafficIncrease")); n != 2 { // to 20% and to 50%
		t.Errorf("confirmTrafficIncrease was asked %d times", n)
	}
	pre := r.of("/preRollout")[0]
	if pre.Name != "strangers" || pre.Phase != "Progressing" || pre.Checksum == "" || pre.Metadata["cmd"] != "make test" || pre.Haldane.ID == "" {
		t.Errorf("preRollout was sent %+v", pre)
	}
	post := r.of("/postRollout")
	if len(post) != 1 || post[0].Phase != "Succeeded" || post[0].Haldane.Event.Kind != rollout.EventPromoted {
		t.Errorf("postRollout was sent %+v", post)
	}
	checkEvents(t, r.of("/event"))
}

// checkEvents requires every event once, in order, in the form receivers know.
func checkEvents(t *testing.T, calls []call) {
	t.Helper()
	var last uint64
	for _, c := range calls {
		e := c.Haldane.Event
		if e == nil || e.Number != last+1 {
			t.Fatalf("event %+v after number %d", e, last)
		}
		last = e.Number
		if c.Metadata["eventMessage"] != e.Message || c.Metadata["eventType"] == "" || len(c.Metadata["timestamp"]) != 13 {
			t.Errorf("event %d has metadata %v", e.Number, c.Metadata)
		}
	}
	if len(calls) < 6 || calls[0].Haldane.Event.Kind != rollout.EventStarted || calls[len(calls)-1].Haldane.Event.Kind != rollout.EventPromoted {
		t.Errorf("%d events, from %+v to %+v", len(calls), calls[0], calls[len(calls)-1])
	}
}

func TestPromotionWaitsForItsHook(t *testing.T) {
	r := receive(t)
	r.answer("/confirmPromotion", http.StatusForbidden)
	s := start(t, hooked(t, model(t, 0), model(t, 0), r.hook("confirmPromotion", ", every: 50ms")), filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	s.until("refused", func(st engine.Status) bool {
		return strings.Contains(st.Waiting, "confirmPromotion to confirm the promotion: 403 Forbidden: not now") && len(r.of("")) > 3
	})
	if st, err := s.Status(s.ctx, "strangers"); err != nil || st.Step != 1 || st.Phase != rollout.Progressing {
		t.Errorf("it went on to %s, step %d: %v", st.Phase, st.Step, err)
	}
	r.answer("/confirmPromotion", http.StatusAccepted)
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v", s.outcome)
	}
}

func TestARollbackHookCallsItBack(t *testing.T) {
	r := receive(t)
	r.answer("/rollback", http.StatusForbidden)
	r.answer("/confirmPromotion", http.StatusForbidden)
	s := start(t, hooked(t, model(t, 0), model(t, 0), r.hook("rollback", ", every: 50ms")+r.hook("confirmPromotion", "")+r.hook("postRollout", "")),
		filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	s.until("waiting", func(st engine.Status) bool { return strings.Contains(st.Waiting, "confirmPromotion") })
	r.answer("/rollback", http.StatusOK)
	<-s.done
	if s.outcome.Phase != rollout.RolledBack || !strings.Contains(s.outcome.Reason, "hook rollback: calls it back") {
		t.Errorf("ended %+v", s.outcome)
	}
	if post := r.of("/postRollout"); len(post) != 1 || post[0].Phase != "Failed" {
		t.Errorf("postRollout was sent %+v", post)
	}
}

func TestATestThatSaysNoTakesItBack(t *testing.T) {
	for _, when := range []string{"preRollout", "rollout"} {
		t.Run(when, func(t *testing.T) {
			r := receive(t)
			r.answer("/"+when, http.StatusInternalServerError)
			s := start(t, hooked(t, model(t, 0), model(t, 0), r.hook(when, ", every: 50ms, failures: 2")), filepath.Join(t.TempDir(), "state.db"))
			drive(s.ctx, t, s.gateway)
			<-s.done
			if s.outcome.Phase != rollout.RolledBack || !strings.Contains(s.outcome.Reason, "has said no 2 times in a row: 500") {
				t.Errorf("ended %+v", s.outcome)
			}
		})
	}
}

// TestAReceiverThatIsDown holds what fails closed, lets pass what fails open,
// and takes nothing back.
func TestAReceiverThatIsDown(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	r := &receiver{t: t, url: "http://" + addr, status: map[string]int{}}
	quick := ", every: 50ms, retries: 0"
	s := start(t, hooked(t, model(t, 0), model(t, 0),
		r.hook("preRollout", quick+", failures: 1, failOpen: true")+r.hook("confirmPromotion", quick)+r.hook("rollback", quick)),
		filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	st := s.until("held", func(st engine.Status) bool {
		return strings.Contains(st.Waiting, "confirmPromotion to confirm the promotion: cannot be asked: ask "+addr)
	})
	if !slices.ContainsFunc(st.Warnings, func(w string) bool { return strings.Contains(w, "hook rollback: cannot be asked") }) {
		t.Errorf("warnings %q", st.Warnings)
	}
	if ln, err = net.Listen("tcp", addr); err != nil {
		t.Skipf("the port has gone to somebody else: %v", err)
	}
	r.answer("/rollback", http.StatusForbidden)
	srv := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Shutdown(context.Background()) })
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v", s.outcome)
	}
}
