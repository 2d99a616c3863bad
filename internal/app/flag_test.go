package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

const flagged = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: strangers}
spec:
  endpoints: {stable: {version: v1}, canary: {version: v2}}
  strategy: {canary: {scaleDownDelay: 100ms, steps: [{weight: 20}, {weight: 50}, {weight: 100}]}}
  routing:
    flag: {listen: "127.0.0.1:0", key: strangers, values: {stable: false, canary: true}}
    always: [{cookie: {name: internal}}]
  analysis:
    interval: 100ms
    warmup: 200ms
    maxDuration: 90s
    onDeadline: Rollback
    metrics:
    - {name: conversion, mean: {of: conversion, event: checkout, maxDecrease: 0.2, maturity: 1s}}
`

// flagAnswer is what an application gets of a flag.
type flagAnswer struct {
	Value    any
	Reason   string
	Variant  string
	Metadata struct{ Version, Arm, PredictionID string }
}

// evaluate asks as an application does; ok is false once nobody answers.
func evaluate(ctx context.Context, t *testing.T, flag, user, more string) (out flagAnswer, ok bool) {
	body := fmt.Sprintf(`{"context":{"targetingKey":%q%s}}`, user, more)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, flag+"/ofrep/v1/evaluate/flags/strangers", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return out, false
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, false
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		return out, false
	}
	if resp.StatusCode != http.StatusOK {
		return out, false // before the first decision
	}
	if err := json.Unmarshal(text.Bytes(), &out); err != nil {
		t.Errorf("%s: %v", &text, err)
	}
	return out, true
}

// application runs the model that its flag tells it to, for users that buy as
// often as the version lets them.
func application(ctx context.Context, t *testing.T, flag string, buys map[string]float64) {
	t.Helper()
	var wg sync.WaitGroup
	for shop := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				e, ok := evaluate(ctx, t, flag, fmt.Sprintf("user-%d-%d", shop, i), "")
				if !ok {
					continue
				}
				version := e.Metadata.Version
				if e.Value != (version == "v2") || e.Metadata.Arm != e.Variant || e.Reason != "SPLIT" {
					t.Errorf("%+v", e)
				}
				if rand.Float64() < buys[version] {
					happened(ctx, t, flag, map[string]any{"name": "checkout", "id": e.Metadata.PredictionID})
				}
			}
		})
	}
	t.Cleanup(wg.Wait)
}

func TestARolloutByFlag(t *testing.T) {
	for name, c := range map[string]struct {
		canary float64
		want   rollout.Phase
	}{"good": {0.5, rollout.Promoted}, "bad": {0.1, rollout.RolledBack}} {
		if testing.Short() && c.want == rollout.Promoted {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := start(t, flagged, filepath.Join(t.TempDir(), "state.db"))
			ctx, stop := context.WithCancel(s.ctx)
			defer stop()
			application(ctx, t, s.flag, map[string]float64{"v1": 0.5, "v2": c.canary})
			<-s.done
			stop()
			if s.outcome.Phase != c.want {
				t.Errorf("ended %+v, want %s", s.outcome, c.want)
			}
			if c.want == rollout.RolledBack && !strings.Contains(s.outcome.Reason, "conversion") {
				t.Errorf("taken back because of %q", s.outcome.Reason)
			}
		})
	}
}

// TestFlagsAcrossARestart: users stay on their arms, what was flagAnswer before counts,
// and who is forced is no evidence.
func TestFlagsAcrossARestart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.db")
	text := strings.Replace(flagged, "maturity: 1s", "maturity: 60s", 1) // nothing is decided meanwhile
	s := start(t, text, state)
	s.until("splits", func(st engine.Status) bool { return st.Phase == rollout.Progressing })
	arms := map[string]flagAnswer{}
	for i := range 40 {
		user := fmt.Sprint("user", i)
		e, ok := evaluate(s.ctx, t, s.flag, user, "")
		if !ok {
			t.Fatal("no answer")
		}
		arms[user] = e
	}
	forced, _ := evaluate(s.ctx, t, s.flag, "ann", `,"internal":"yes"`)
	if forced.Reason != "TARGETING_MATCH" || forced.Value != true {
		t.Errorf("forced: %+v", forced)
	}
	s.stop()
	<-s.done
	s = start(t, text, state)
	s.until("splits", func(st engine.Status) bool { return st.Phase == rollout.Progressing })
	seen := map[string]bool{}
	for user, before := range arms {
		now, ok := evaluate(s.ctx, t, s.flag, user, "")
		if !ok || now.Variant != before.Variant || now.Metadata.PredictionID == before.Metadata.PredictionID {
			t.Errorf("%s: %+v, before the restart %+v", user, now, before)
		}
		seen[now.Variant] = true
		got := happened(s.ctx, t, s.flag, map[string]any{"name": "checkout", "id": before.Metadata.PredictionID})
		if got.Counts["accepted"] != 1 {
			t.Errorf("of a prediction before the restart: %+v", got)
		}
	}
	if len(seen) != 2 {
		t.Errorf("all 40 users are on one arm")
	}
	if got := happened(s.ctx, t, s.flag, map[string]any{"name": "checkout", "id": forced.Metadata.PredictionID}); got.Counts["apart"] != 1 {
		t.Errorf("of a forced user: %+v", got)
	}
}
