package openfeature

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"
)

// file is a rollout by flag; steps are its own.
const file = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn-model}
spec:
  endpoints: {stable: {version: v1}, canary: {version: v2}}
  strategy: {canary: {scaleDownDelay: 100ms, steps: [%s, {weight: 100}]}}
  routing:
    flag: {listen: "127.0.0.1:0", values: {stable: {model: a}, canary: {model: b}}, tokenFrom: {env: FLAG_TOKEN}}
    always: [{country: [NL]}]
  analysis:
    interval: 100ms
    warmup: 200ms
    maxDuration: 90s
    onDeadline: Rollback
    metrics:
    - {name: conversion, mean: {of: conversion, event: checkout, maxDecrease: 0.2, maturity: 1s}}
`

const token = "a secret of the shop"

// program is a rollout under way in a process of its own.
type program struct {
	flag string // its address
	done chan int
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "haldane-openfeature-")
	if err != nil {
		return "", err
	}
	c := exec.Command("go", "build", "-o", filepath.Join(dir, "haldane"), "./cmd/haldane")
	c.Dir = "../.."
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(dir, "haldane"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func start(t *testing.T, steps string) *program {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rollout := filepath.Join(dir, "rollout.yaml")
	if err := os.WriteFile(rollout, []byte(fmt.Sprintf(file, steps)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	c := exec.CommandContext(ctx, path, "run", "-f", rollout, "-o", "json", "--api", "127.0.0.1:0")
	c.Env = append(os.Environ(), "FLAG_TOKEN="+token)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 20 * time.Second
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{done: make(chan int, 1)}
	found := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line struct{ Addresses *struct{ Flag string } }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Addresses != nil {
				found <- line.Addresses.Flag
			}
		}
		err := c.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Errorf("haldane: %v", err)
		}
		p.done <- c.ProcessState.ExitCode()
	}()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case p.flag = <-found:
	case <-ended:
		t.Fatalf("it ended before it began: %s", &problems)
	}
	return p
}

// client is the SDK over the flag, as an application sets it up.
func client(t *testing.T, flag, token string) *openfeature.Client {
	t.Helper()
	domain := t.Name()
	if err := openfeature.SetNamedProviderAndWait(domain, ofrep.NewProvider(flag, ofrep.WithBearerToken(token))); err != nil {
		t.Fatal(err)
	}
	return openfeature.NewClient(domain)
}

// model asks which model a user gets, until there is an answer.
func model(ctx context.Context, c *openfeature.Client, user string, attributes map[string]any) (openfeature.InterfaceEvaluationDetails, error) {
	return c.ObjectValueDetails(ctx, "churn-model", map[string]any{"model": "none"}, openfeature.NewEvaluationContext(user, attributes))
}

// until asks until the rollout has decided for the first time.
func until(t *testing.T, c *openfeature.Client) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		_, err := model(t.Context(), c, "first", nil)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestEvaluation(t *testing.T) {
	p := start(t, "{weight: 50}, {pause: {}}")
	c := client(t, p.flag, token)
	until(t, c)
	seen := map[string]int{}
	for i := range 40 {
		user := fmt.Sprint("user", i)
		first, err := model(t.Context(), c, user, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"stable": "a", "canary": "b"}[first.Variant]
		if v, _ := first.Value.(map[string]any); want == "" || v["model"] != want || first.Reason != openfeature.SplitReason {
			t.Errorf("%s: %+v", user, first)
		}
		id, err := first.FlagMetadata.GetString("predictionId")
		version, _ := first.FlagMetadata.GetString("version")
		if err != nil || id == "" || version == "" {
			t.Errorf("%s: metadata %v: %v", user, first.FlagMetadata, err)
		}
		again, err := model(t.Context(), c, user, map[string]any{"plan": "gold", "tags": []string{"x"}})
		if err != nil || again.Variant != first.Variant {
			t.Errorf("%s: %s first, %s again: %v", user, first.Variant, again.Variant, err)
		}
		seen[first.Variant]++
	}
	if len(seen) != 2 {
		t.Errorf("all users got %v", seen)
	}
	dutch, err := model(t.Context(), c, "user1", map[string]any{"country": "NL"})
	if err != nil || dutch.Variant != "canary" || dutch.Reason != openfeature.TargetingMatchReason {
		t.Errorf("always: %+v %v", dutch, err)
	}
}

// What goes wrong reaches the application as OpenFeature's own errors.
func TestFailures(t *testing.T) {
	p := start(t, "{weight: 50}, {pause: {}}")
	c := client(t, p.flag, token)
	until(t, c)
	user := openfeature.NewEvaluationContext("ann", nil)
	for name, f := range map[string]struct {
		code openfeature.ErrorCode
		ask  func() (openfeature.EvaluationDetails, error)
	}{
		"another flag": {openfeature.FlagNotFoundCode, func() (openfeature.EvaluationDetails, error) {
			d, err := c.StringValueDetails(t.Context(), "other", "mine", user)
			return d.EvaluationDetails, err
		}},
		"another type": {openfeature.TypeMismatchCode, func() (openfeature.EvaluationDetails, error) {
			d, err := c.BooleanValueDetails(t.Context(), "churn-model", true, user)
			return d.EvaluationDetails, err
		}},
		"nobody": {openfeature.TargetingKeyMissingCode, func() (openfeature.EvaluationDetails, error) {
			d, err := c.ObjectValueDetails(t.Context(), "churn-model", nil, openfeature.NewTargetlessEvaluationContext(nil))
			return d.EvaluationDetails, err
		}},
	} {
		d, err := f.ask()
		if err == nil || d.ErrorCode != f.code {
			t.Errorf("%s: %s, %v; want %s", name, d.ErrorCode, err, f.code)
		}
	}
	t.Run("a stranger", func(t *testing.T) {
		d, err := model(t.Context(), client(t, p.flag, "a guess"), "ann", nil)
		if v, _ := d.Value.(map[string]any); err == nil || v["model"] != "none" {
			t.Errorf("%+v %v", d, err)
		}
	})
}

// shop runs the model that the flag names, in its own process, and tells what
// users buy.
func shop(ctx context.Context, t *testing.T, flag string, c *openfeature.Client, buys map[string]float64) {
	var all sync.WaitGroup
	for s := range 4 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				d, err := model(ctx, c, fmt.Sprintf("user-%d-%d", s, i), nil)
				if err != nil {
					continue // it has ended, or not begun
				}
				id, err := d.FlagMetadata.GetString("predictionId")
				if err != nil {
					t.Error(err)
				}
				if rand.Float64() < buys[d.Variant] {
					bought(ctx, t, flag, id)
				}
			}
		})
	}
	t.Cleanup(all.Wait)
}

func bought(ctx context.Context, t *testing.T, flag, id string) {
	body := strings.NewReader(`{"name": "checkout", "id": "` + id + `"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, flag+"/events", body)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted && ctx.Err() == nil {
		t.Errorf("an event: %s", resp.Status)
	}
}

// TestRollout: a model that no gateway sees is promoted, or taken back, by what
// comes back for it.
func TestRollout(t *testing.T) {
	for name, r := range map[string]struct {
		canary float64
		code   int
	}{"good": {0.5, 0}, "bad": {0.1, 3}} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "{weight: 20}, {weight: 50}")
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			shop(ctx, t, p.flag, client(t, p.flag, token), map[string]float64{"stable": 0.5, "canary": r.canary})
			if code := <-p.done; code != r.code {
				t.Errorf("it ended with code %d, want %d", code, r.code)
			}
			stop()
		})
	}
}
