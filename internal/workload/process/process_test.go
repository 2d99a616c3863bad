//go:build unix

package process

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
	"github.com/haldane-dev/haldane/internal/workload/workloadtest"
)

var both = rollout.Scale{Stable: true, Canary: true}

func TestCommandsKeepTheContract(t *testing.T) {
	workloadtest.Run(t, func(t *testing.T) workloadtest.Harness {
		marks := map[rollout.Role]string{traffic.Stable: t.TempDir(), traffic.Canary: t.TempDir()}
		stable, canary := helper("serve", marks[traffic.Stable]), helper("serve", marks[traffic.Canary])
		canary.Hash = "b"
		w := build(t, stable, canary)
		return workloadtest.Harness{
			Workload:  w.Workload,
			Revisions: map[rollout.Role]string{traffic.Stable: "a", traffic.Canary: "b"},
			Running:   func(t *testing.T, r rollout.Role) int { return len(alive(t, marks[r])) },
		}
	})
}

func TestURLsKeepTheContract(t *testing.T) {
	workloadtest.Run(t, func(t *testing.T) workloadtest.Harness {
		s := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		e := Endpoint{Hash: "a", URL: s.URL, Readiness: Probe{Interval: 10 * time.Millisecond}}
		return workloadtest.Harness{
			Workload:  build(t, e, e).Workload,
			Revisions: map[rollout.Role]string{traffic.Stable: "a", traffic.Canary: "a"},
		}
	})
}

func TestCommandIsToldWhereToListen(t *testing.T) {
	e := helper("serve", "")
	e.Env["MODEL_URL"] = "http://{address}/v1?p={port}&h={host}"
	w := build(t, e, e)
	w.apply(both)
	w.until(traffic.Stable, "ready", ready)
	w.until(traffic.Canary, "ready", ready)
	at := w.URL(traffic.Stable)
	if at == w.URL(traffic.Canary) {
		t.Fatalf("both arms are at %s", at)
	}
	address := strings.TrimPrefix(at, "http://")
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"PORT": port, "HOST": host, "ADDRESS": address,
		"MODEL_URL": "http://" + address + "/v1?p=" + port + "&h=" + host,
	} {
		resp, err := http.Get(at + "/env?name=" + name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != want {
			t.Errorf("$%s is %q, want %q (%v)", name, body, want, err)
		}
	}
	if out := w.output.String(); !strings.Contains(out, "stable | listening on "+address+"\n") || !strings.Contains(out, "canary | listening on ") {
		t.Errorf("the output does not name its arms:\n%s", out)
	}
}

// TestCrashIsExplained: what ends by itself is tried again, and its last words
// are reported.
func TestCrashIsExplained(t *testing.T) {
	w := build(t, helper("serve", ""), helper("crash", ""))
	w.apply(both)
	h := w.until(traffic.Canary, "hopeless", func(h rollout.Health) bool { return h.Failed })
	if h.Ready || h.Restarts < 3 || !strings.Contains(h.Message, "exited with status 3: no such file: weights.bin") {
		t.Errorf("a crashing command is reported as %+v", h)
	}
	w.until(traffic.Stable, "ready", ready)
}

func TestRestartAfterExit(t *testing.T) {
	marks := t.TempDir()
	w := build(t, helper("serve", marks), helper("serve", ""))
	w.apply(rollout.Scale{Stable: true})
	w.until(traffic.Stable, "ready", ready)
	before := alive(t, marks)
	_, _ = w.get(traffic.Stable, "/exit") // it ends before it can answer
	h := w.until(traffic.Stable, "ready again", func(h rollout.Health) bool { return h.Ready && h.Restarts == 1 })
	if h.Failed || h.Message != "" {
		t.Errorf("after its restart %+v", h)
	}
	after := alive(t, marks)
	if len(before) != 1 || len(after) != 1 || before[0] == after[0] {
		t.Errorf("processes %v before and %v after", before, after)
	}
	if _, err := w.get(traffic.Stable, "/health"); err != nil {
		t.Errorf("the reported address does not answer: %v", err)
	}
}

func TestLivenessRestarts(t *testing.T) {
	e := helper("serve", "")
	e.Liveness = Probe{Path: "/health", Interval: 5 * time.Millisecond, Failures: 2}
	w := build(t, e, e)
	w.apply(rollout.Scale{Stable: true})
	w.until(traffic.Stable, "ready", ready)
	if _, err := w.get(traffic.Stable, "/sicken"); err != nil {
		t.Fatal(err)
	}
	w.until(traffic.Stable, "restarted", func(h rollout.Health) bool { return h.Ready && h.Restarts == 1 })
}

func TestReadinessComesAndGoes(t *testing.T) {
	var sick atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ready" || r.URL.RawQuery != "deep=1" {
			t.Errorf("probed %s", r.URL)
		}
		if sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	e := Endpoint{URL: s.URL + "/base", Hash: "a", Readiness: Probe{Path: "/ready?deep=1", Interval: time.Millisecond, Failures: 2, Successes: 2}}
	w := build(t, e, e)
	w.apply(rollout.Scale{Stable: true})
	w.until(traffic.Stable, "ready", ready)
	sick.Store(true)
	h := w.until(traffic.Stable, "unready", func(h rollout.Health) bool { return !h.Ready })
	if h.Failed || !strings.Contains(h.Message, "503") {
		t.Errorf("a sick server is reported as %+v", h)
	}
	sick.Store(false)
	w.until(traffic.Stable, "ready again", ready)
	if h := w.health(traffic.Canary); h.Ready || h.Message != "" && h.Message != "not in use" {
		t.Errorf("the canary was never wanted: %+v", h)
	}
}

func TestGRPCProbe(t *testing.T) {
	e := helper("grpc", "")
	e.Readiness = Probe{GRPC: true, Interval: 10 * time.Millisecond}
	plain := helper("serve", "") // speaks no gRPC
	plain.Readiness = e.Readiness
	w := build(t, e, plain)
	w.apply(both)
	w.until(traffic.Stable, "ready", ready)
	w.until(traffic.Canary, "known as unready", func(h rollout.Health) bool { return strings.HasPrefix(h.Message, "not ready: ") })
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	e := Endpoint{URL: "http://" + at, Readiness: Probe{Interval: time.Millisecond}}
	w := build(t, e, e)
	w.apply(both)
	h := w.until(traffic.Canary, "known as unready", func(h rollout.Health) bool { return strings.Contains(h.Message, "nothing listens on "+at) })
	if h.Ready || h.Failed {
		t.Errorf("an absent server is reported as %+v", h)
	}
}

func TestMissingProgram(t *testing.T) {
	e := Endpoint{Command: []string{"/nonexistent/model", "--port={port}"}}
	w := build(t, e, e)
	w.apply(both)
	h := w.until(traffic.Canary, "failed", func(h rollout.Health) bool { return h.Failed })
	if !strings.Contains(h.Message, "start /nonexistent/model: ") {
		t.Errorf("a missing program is reported as %+v", h)
	}
}

// TestStubbornIsKilled: a command that ignores SIGTERM is killed after its
// grace, and Release waits for that.
func TestStubbornIsKilled(t *testing.T) {
	marks := t.TempDir()
	e := helper("stubborn", marks)
	e.StopGrace = 50 * time.Millisecond
	w := build(t, e, e)
	w.apply(both)
	w.until(traffic.Stable, "ready", ready)
	w.until(traffic.Canary, "ready", ready)
	if n := len(alive(t, marks)); n != 2 {
		t.Fatalf("%d processes run, want 2", n)
	}
	if err := w.Release(t.Context(), workload.Target{}); err != nil {
		t.Fatal(err)
	}
	if left := alive(t, marks); len(left) != 0 {
		t.Errorf("processes %v outlive Release", left)
	}
}

// TestNeverTwo: a role that is wanted again while its last command still ends
// waits for that.
func TestNeverTwo(t *testing.T) {
	marks := t.TempDir()
	e := helper("stubborn", marks)
	e.StopGrace = 300 * time.Millisecond
	w := build(t, e, e)
	w.apply(rollout.Scale{Stable: true})
	w.until(traffic.Stable, "ready", ready)
	first := alive(t, marks)
	w.apply(rollout.Scale{})
	w.apply(rollout.Scale{Stable: true})
	w.until(traffic.Stable, "ready again", ready)
	if second := alive(t, marks); len(first) != 1 || len(second) != 1 || first[0] == second[0] {
		t.Errorf("processes %v, then %v", first, second)
	}
}

// TestGroupEnds: what a command starts ends with it, even if that does not end
// when asked.
func TestGroupEnds(t *testing.T) {
	marks := t.TempDir()
	e := helper("serve", marks)
	e.Command = []string{"/bin/sh", "-c", `"$0" "$1" & ` + helperMode + `=stubborn "$0" 127.0.0.1:0 & wait`, e.Command[0], "{address}"}
	w := build(t, e, e)
	w.apply(rollout.Scale{Stable: true})
	w.until(traffic.Stable, "ready", ready)
	for end := time.Now().Add(30 * time.Second); len(alive(t, marks)) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d processes run, want 2", len(alive(t, marks)))
		}
	}
	if err := w.Release(t.Context(), workload.Target{}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); len(alive(t, marks)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("processes %v outlive Release", alive(t, marks))
		}
	}
}

func TestBadEndpoints(t *testing.T) {
	good := Endpoint{URL: "http://127.0.0.1:1"}
	for name, c := range map[string]struct {
		canary Endpoint
		want   string
	}{
		"neither": {Endpoint{}, "endpoints.canary.url: missing: give a url or a command"},
		"scheme":  {Endpoint{URL: "tcp://127.0.0.1:1"}, `endpoints.canary.url: "tcp://127.0.0.1:1": want http://host:port`},
		"no host": {Endpoint{URL: "127.0.0.1:80"}, "endpoints.canary.url"},
		"program": {Endpoint{Command: []string{""}}, "endpoints.canary.command"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(map[rollout.Role]Endpoint{traffic.Stable: good, traffic.Canary: c.canary}, Options{})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := New(map[rollout.Role]Endpoint{traffic.Stable: good}, Options{}); err == nil {
		t.Error("a missing canary is accepted")
	}
}
