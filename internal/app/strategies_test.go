package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// by is the rollout of strangers by another strategy.
func by(t *testing.T, stable, canary, strategy, metrics string) string {
	t.Helper()
	text := strangers(stable, canary)
	for old, now := range map[string]string{
		"strategy: {canary: {scaleDownDelay: 100ms, steps: [{weight: 20}, {weight: 50}, {weight: 100}]}}": "strategy: {" + strategy + "}",
		"metrics: [{name: errors, errorRate: {maxIncrease: 20pp}}]":                                       "metrics: [" + metrics + "]",
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is another now", old)
		}
		text = strings.Replace(text, old, now, 1)
	}
	return text + `  inference: {expr: '{"class": response.label}'}`
}

// servedBy asks for the version that answers at an address, "" if none does.
func servedBy(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Post(address+"/score", "application/json", strings.NewReader(`{"x":1}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode == http.StatusServiceUnavailable {
		return ""
	}
	return resp.Header.Get("X-Haldane-Version")
}

const (
	bluePaired = "{name: errors, errorRate: {maxIncrease: 20pp}}, {name: agreement, pairs: {maxDisagreement: 30%}}"
	blueGreenS = `blueGreen: {preview: {listen: "127.0.0.1:0", mirror: 100, for: 500ms}, approve: true, bake: {for: 1s, holdback: 40}, scaleDownDelay: 100ms}`
	shadowS    = "shadow: {for: 1s, scaleDownDelay: 100ms}"
	agreementS = "{name: agreement, pairs: {maxDisagreement: 30%}}"
)

// TestBlueGreen: previewed at an address of its own while users see stable, a
// person's word, one switch, and promotion after the bake.
func TestBlueGreen(t *testing.T) {
	s := start(t, by(t, model(t, 0), model(t, 0), blueGreenS, bluePaired), "")
	if v := servedBy(t, s.preview); v != "" && v != "v2" {
		t.Errorf("before it began the preview is served by %q", v)
	}
	drive(s.ctx, t, s.gateway)
	st := s.until("waits for a person", func(st engine.Status) bool { return st.Phase == rollout.Paused })
	if st.Wanted.Canary != 0 || st.Wanted.Mirror == 0 || st.Links["preview"] != s.preview {
		t.Errorf("before the switch: %+v, links %v", st.Wanted, st.Links)
	}
	if v := servedBy(t, s.preview); v != "v2" {
		t.Errorf("the preview is served by %q", v)
	}
	if st := s.until("counted", func(st engine.Status) bool { return st.Totals["canary"].Forced > 0 }); st.Totals["canary"].Requests > st.Totals["canary"].Forced {
		t.Errorf("%d users got the candidate before the switch", st.Totals["canary"].Requests)
	}
	if r, err := s.Submit(s.ctx, "strangers", rollout.Command{Verb: rollout.Promote, By: "ann"}); err != nil || !r.Accepted {
		t.Fatalf("promote: %+v, %v", r, err)
	}
	s.until("baked", func(st engine.Status) bool { return st.Wanted.Canary == 6000 })
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("it ended %s: %s", s.outcome.Phase, s.outcome.Reason)
	}
}

// TestBlueGreenBack: worse in the bake, and everybody is back.
func TestBlueGreenBack(t *testing.T) {
	text := by(t, model(t, 0), model(t, 60), `blueGreen: {bake: {for: 1m, holdback: 40}, scaleDownDelay: 100ms}`, "{name: errors, errorRate: {maxIncrease: 20pp}}")
	s := start(t, text, "")
	drive(s.ctx, t, s.gateway)
	<-s.done
	if s.outcome.Phase != rollout.RolledBack || !strings.Contains(s.outcome.Reason, "errors") {
		t.Errorf("it ended %s: %s", s.outcome.Phase, s.outcome.Reason)
	}
}

// TestShadow: users never see the candidate, and it ends with a verdict.
func TestShadow(t *testing.T) {
	for name, tt := range map[string]struct {
		failing int
		want    rollout.Phase
	}{"as good": {0, rollout.Completed}, "worse": {60, rollout.RolledBack}} {
		t.Run(name, func(t *testing.T) {
			var shown atomic.Int64 // requests that are no copies
			candidate := model(t, tt.failing)
			counted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost && r.Header.Get("X-Haldane-Mirror") != "true" {
					shown.Add(1)
				}
				to, _ := url.Parse(candidate)
				httputil.NewSingleHostReverseProxy(to).ServeHTTP(w, r)
			}))
			t.Cleanup(counted.Close)
			s := start(t, by(t, model(t, 0), counted.URL, shadowS, agreementS), "")
			drive(s.ctx, t, s.gateway)
			<-s.done
			if s.outcome.Phase != tt.want || s.outcome.Reason == "" {
				t.Errorf("it ended %s: %s", s.outcome.Phase, s.outcome.Reason)
			}
			if n := shown.Load(); n > 0 {
				t.Errorf("%d users saw the candidate", n)
			}
		})
	}
}

// TestBlueGreenWhole: nothing stays on the version before, and checks judge
// alone.
func TestBlueGreenWhole(t *testing.T) {
	const strategy = "blueGreen: {bake: {for: 1s, holdback: 0}, scaleDownDelay: 100ms}"
	const metrics = "{name: errors, errorRate: {maxIncrease: 20pp}}"
	checks := func(text string) string {
		return strings.Replace(text, "    metrics:", "    checks: [{name: score, request: {path: /score, json: {x: 1}}, every: 200ms}]\n    metrics:", 1)
	}
	if _, err := v1alpha1.Load("f.yaml", strings.NewReader(by(t, "http://127.0.0.1:1", "http://127.0.0.1:2", strategy, metrics))); err == nil || !strings.Contains(err.Error(), "holdback") {
		t.Errorf("without a check it is refused by %v", err)
	}
	s := start(t, checks(by(t, model(t, 0), model(t, 0), strategy, metrics)), "")
	drive(s.ctx, t, s.gateway)
	s.until("baked", func(st engine.Status) bool {
		return st.Phase == rollout.Progressing && st.Wanted.Canary == traffic.Full
	})
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("it ended %s: %s", s.outcome.Phase, s.outcome.Reason)
	}
}
