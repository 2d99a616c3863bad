package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// shoppers send requests until ctx ends, and buy as often as the version that
// answered lets them: with what they say, half of them by prediction ID and half
// by their name.
func shoppers(ctx context.Context, t *testing.T, gateway string, buys map[string]float64) {
	t.Helper()
	var wg sync.WaitGroup
	var taken [2]atomic.Int64 // by prediction ID, by user
	for shop := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				user := fmt.Sprintf("user-%d-%d", shop, i)
				version, id := scored(ctx, t, gateway, user)
				if version == "" || rand.Float64() >= buys[version] {
					continue
				}
				item := map[string]any{"name": "checkout", "value": 20, "user": user}
				if i%2 == 0 {
					delete(item, "user")
					item["id"] = id
				}
				// One that came late, on a busy machine, is answered so.
				if receipt := happened(ctx, t, gateway, item); receipt.Counts[feedback.Accepted] == 1 {
					taken[i%2].Add(1)
				}
			}
		})
	}
	t.Cleanup(func() {
		wg.Wait()
		if taken[0].Load() == 0 || taken[1].Load() == 0 {
			t.Errorf("%d events by prediction ID and %d by user were taken, want some of each", taken[0].Load(), taken[1].Load())
		}
	})
}

// scored asks for a prediction; no version says that the gateway has drained.
func scored(ctx context.Context, t *testing.T, gateway, user string) (version, id string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/score", strings.NewReader(`{"x":1}`))
	if err != nil {
		t.Error(err)
		return "", ""
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-User", user)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", ""
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.Header.Get("X-Haldane-Version"), resp.Header.Get("X-Haldane-Prediction-Id")
}

func happened(ctx context.Context, t *testing.T, gateway string, item map[string]any) (receipt feedback.Receipt) {
	text, err := json.Marshal(item)
	if err != nil {
		t.Error(err)
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/events", bytes.NewReader(text))
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&receipt)
	if ctx.Err() == nil && (err != nil || resp.StatusCode != http.StatusAccepted || receipt.Items != 1) {
		t.Errorf("%s: %d %+v %v", text, resp.StatusCode, receipt, err)
	}
	return receipt
}

// shop is a rollout that is judged by what its users buy.
func shop(t *testing.T) string {
	text := strangers(model(t, 0), model(t, 0))
	text = strings.Replace(text, "metrics: [{name: errors, errorRate: {maxIncrease: 20pp}}]", `metrics:
    - {name: errors, errorRate: {maxIncrease: 20pp}}
    - {name: conversion, mean: {of: conversion, event: checkout, maxDecrease: 0.2, maturity: 1s}}
    - {name: revenue, mean: {of: event, event: checkout, bounds: [0, 20], maxDecrease: 4, maturity: 1s}}`, 1)
	return strings.Replace(text, "routing: {gateway", "routing: {stickyBy: {header: X-User}, gateway", 1)
}

func TestWhatUsersBuyDecides(t *testing.T) {
	for name, c := range map[string]struct {
		canary float64
		want   rollout.Phase
	}{"as much": {0.5, rollout.Promoted}, "less": {0.1, rollout.RolledBack}} {
		if testing.Short() && c.want == rollout.Promoted {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := start(t, shop(t), filepath.Join(t.TempDir(), "state.db"))
			ctx, stop := context.WithCancel(s.ctx)
			defer stop()
			shoppers(ctx, t, s.gateway, map[string]float64{"v1": 0.5, "v2": c.canary})
			select {
			case <-s.done:
			case <-s.ctx.Done():
			}
			stop()
			<-s.done
			if s.outcome.Phase != c.want {
				t.Errorf("ended %+v, want %s", s.outcome, c.want)
			}
			if c.want == rollout.RolledBack && !strings.Contains(s.outcome.Reason, "conversion") && !strings.Contains(s.outcome.Reason, "revenue") {
				t.Errorf("taken back because of %q, want what users buy", s.outcome.Reason)
			}
		})
	}
}

// TestEventsAreTheModelsOwnWhereNobodyAsks: a model may have a path of that name.
func TestEventsAreTheModelsOwnWhereNobodyAsks(t *testing.T) {
	s := start(t, strangers(model(t, 0), model(t, 0)), filepath.Join(t.TempDir(), "state.db"))
	s.until("serves", func(st engine.Status) bool {
		return st.Phase != "" && st.Phase != rollout.Idle && st.Phase != rollout.Initializing
	})
	resp, err := http.Post(s.gateway+"/events", "application/json", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); !strings.Contains(string(text), "label") {
		t.Errorf("%d %s, want the model's answer", resp.StatusCode, text)
	}
}
