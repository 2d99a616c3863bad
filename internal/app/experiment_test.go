package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// classifier is a model server that is right in so many of a hundred answers (the
// truth is always 1) and fails so many requests.
func classifier(t *testing.T, right, failing int) string {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method != http.MethodPost {
			return
		}
		at := int(n.Add(1) * 37 % 100)
		if at < failing {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		class := 0
		if int(n.Load()*61%100) < right {
			class = 1
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"model_name":"m","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[%d]}]}`, class)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// users send requests, each under a name of its own, and the truth after each
// answer, until ctx ends. They note which versions each of them saw.
type users struct {
	mu   sync.Mutex
	seen map[string]map[string]int // user → version → answers
}

func (u *users) drive(ctx context.Context, t *testing.T, gateway string) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				u.once(ctx, gateway, fmt.Sprintf("user-%d", (4*i+worker)%200))
			}
		})
	}
	t.Cleanup(wg.Wait)
}

func (u *users) once(ctx context.Context, gateway, name string) {
	post := func(path, body string, header map[string]string) http.Header {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+path, strings.NewReader(body))
		if err != nil {
			return nil
		}
		req.Header.Set("Content-Type", "application/json")
		for k, v := range header {
			req.Header.Set(k, v)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil // the gateway has drained
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode >= 300 {
			return nil
		}
		return resp.Header
	}
	header := map[string]string{"X-User": name}
	if strings.HasSuffix(name, "7") {
		header["X-Try"] = "v3"
	}
	h := post("/v2/models/m/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}`, header)
	if h == nil {
		return
	}
	u.mu.Lock()
	if u.seen[name] == nil {
		u.seen[name] = map[string]int{}
	}
	u.seen[name][h.Get("X-Haldane-Version")]++
	u.mu.Unlock()
	post("/feedback", fmt.Sprintf(`{"id":%q,"label":1}`, h.Get("X-Haldane-Prediction-Id")), nil)
}

// compare carries an experiment out and returns how it ended, with its report.
func compare(t *testing.T, file string) (engine.Outcome, engine.Status, *users) {
	t.Helper()
	return compareUntil(t, file, filepath.Join(t.TempDir(), "state.db"), func(engine.Status) bool { return false })
}

// compareUntil is compare, with the state in a file, until what is shown is enough.
func compareUntil(t *testing.T, file, state string, enough func(engine.Status) bool) (engine.Outcome, engine.Status, *users) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	load, stop := context.WithCancel(ctx)
	defer stop()
	u := &users{seen: map[string]map[string]int{}}
	var last engine.Status
	out, err := Run(ctx, cli.RunOptions{
		Rollout: parse(t, file), Dir: t.TempDir(), State: state, API: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Ready:  func(a cli.Addresses) { u.drive(load, t, a.Gateway) },
		Update: func(x engine.Update) {
			if x.Status == nil {
				return
			}
			if last = *x.Status; enough(last) {
				cancel()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, last, u
}

const experimentTail = `
  routing: {gateway: {listen: "127.0.0.1:0"}%s}
  analysis:
    interval: 100ms
    warmup: 200ms
    metrics: [{name: errors, errorRate: {maxIncrease: 20pp}}]
`

// TestAWinningCanaryIsPromoted: two arms, and the better one takes stable's place.
func TestAWinningCanaryIsPromoted(t *testing.T) {
	out, last, _ := compare(t, fmt.Sprintf(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: ab}
spec:
  endpoints:
    stable: {version: v1, url: %q, readiness: {interval: 100ms}}
    canary: {version: v2, url: %q, readiness: {interval: 100ms}}
  strategy:
    experiment:
      goal: {outcome: {maturity: 300ms}}
      maxDuration: 2m
      then: Promote
      scaleDownDelay: 100ms`+experimentTail, classifier(t, 50, 0), classifier(t, 90, 0), ""))
	if out.Phase != rollout.Promoted || !strings.Contains(out.Reason, "canary wins: it is better than stable by +") {
		t.Fatalf("ended %+v", out)
	}
	x := last.Experiment
	if x == nil || len(x.Arms) != 2 || x.Arms[1].Mean == nil || *x.Arms[1].Mean < .8 || x.Pairs[0].Low <= 0 {
		t.Errorf("shown as %+v", x)
	}
}

// TestThreeArms: the one that fails is closed and its users go to the control, the
// best one wins, nobody changes arms for any other reason, and matches hold.
func TestThreeArms(t *testing.T) {
	out, last, u := compare(t, fmt.Sprintf(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: abn}
spec:
  endpoints:
    stable: {version: v1, url: %q, readiness: {interval: 100ms}}
    canary: {version: v2, url: %q, readiness: {interval: 100ms}}
    variants:
      v3: {version: v3, url: %q, readiness: {interval: 100ms}}
  strategy:
    experiment:
      arms:
      - {name: stable, weight: 34}
      - {name: canary, weight: 33}
      - {name: v3, weight: 33, always: [{header: {name: X-Try, exact: v3}}]}
      goal: {outcome: {maturity: 300ms}}
      minDuration: 6s
      maxDuration: 2m
      scaleDownDelay: 100ms`+experimentTail, classifier(t, 50, 0), classifier(t, 50, 70), classifier(t, 90, 0), ", stickyBy: {header: X-User}"))
	if out.Phase != rollout.Completed || !strings.Contains(out.Reason, "v3 wins: it is better than stable by +") {
		t.Fatalf("ended %+v", out)
	}
	x := last.Experiment
	if x == nil || x.Arms[1].Closed == "" || x.Arms[2].Closed != "" || !strings.Contains(x.Arms[1].Closed, "errors") {
		t.Errorf("shown as %+v", x)
	}
	if n := last.Totals["v3"].Forced; n == 0 {
		t.Errorf("nobody was forced onto v3: %+v", last.Totals)
	}
	// What may be due to who the users are is known, and part of the interval.
	if x != nil {
		if p := x.Pairs[1]; p.Arm != "v3" || p.Users == nil || p.High-p.Low < 2**p.Users {
			t.Errorf("%s over %s is shown as %+v", p.Arm, p.Over, p)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for name, saw := range u.seen {
		// Before and after it all users are on v1, and those of the closed arm too.
		if saw["v2"] > 0 && saw["v3"] > 0 {
			t.Errorf("%s was moved between treatments: %v", name, saw)
		}
		if strings.HasSuffix(name, "7") && saw["v3"] == 0 {
			t.Errorf("%s asked for v3 and saw %v", name, saw)
		}
	}
}

func TestAnArmThatNoTreatmentCanBeat(t *testing.T) {
	out, _, _ := compare(t, fmt.Sprintf(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: same}
spec:
  endpoints:
    stable: {version: v1, url: %q, readiness: {interval: 100ms}}
    canary: {version: v2, url: %q, readiness: {interval: 100ms}}
  strategy:
    experiment:
      goal: {outcome: {maturity: 300ms}, minEffect: 0.3}
      maxDuration: 2m
      allocation: Thompson
      allocateEvery: 1s
      scaleDownDelay: 100ms`+experimentTail, classifier(t, 70, 0), classifier(t, 70, 0), ""))
	if out.Phase != rollout.Completed || !strings.Contains(out.Reason, "no arm can be better than stable by 30pp") {
		t.Fatalf("ended %+v", out)
	}
}

// TestAnExperimentGoesOnAfterARestart: with its evidence, and with the arm closed
// that was.
func TestAnExperimentGoesOnAfterARestart(t *testing.T) {
	file := fmt.Sprintf(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: again}
spec:
  endpoints:
    stable: {version: v1, url: %q, readiness: {interval: 100ms}}
    canary: {version: v2, url: %q, readiness: {interval: 100ms}}
    variants:
      v3: {version: v3, url: %q, readiness: {interval: 100ms}}
  strategy:
    experiment:
      goal: {mean: {of: conversion, event: sale, maturity: 300ms}, minEffect: 0.2}
      minDuration: 4s
      maxDuration: 2m
      scaleDownDelay: 100ms`+experimentTail, classifier(t, 50, 0), classifier(t, 50, 70), classifier(t, 50, 0), "")
	state := filepath.Join(t.TempDir(), "state.db")
	_, before, _ := compareUntil(t, file, state, func(s engine.Status) bool {
		return s.Experiment != nil && s.Experiment.Arms[1].Closed != "" && s.Experiment.Arms[2].N > 0
	})
	if before.Experiment.Finding.Ending != "" {
		t.Fatalf("it ended before it was stopped: %+v", before.Experiment.Finding)
	}
	first := true
	out, after, _ := compareUntil(t, file, state, func(s engine.Status) bool {
		if x := s.Experiment; first && x != nil && (x.Arms[1].Closed == "" || x.Arms[2].N < before.Experiment.Arms[2].N) {
			t.Errorf("after the restart %+v, before %+v", x.Arms, before.Experiment.Arms)
		}
		first = false
		return false
	})
	// Nobody buys anything, of whatever arm: there is nothing to be had.
	if out.Phase != rollout.Completed || !strings.Contains(out.Reason, "no arm can be better than stable by 20pp") {
		t.Errorf("ended %+v", out)
	}
	if n := after.Totals["canary"].Requests; n != 0 {
		t.Errorf("%d requests went to the arm that had been closed", n)
	}
}
