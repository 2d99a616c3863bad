package app

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	grafanaFolder = "../../deploy/grafana"
	rulesFile     = "../../deploy/prometheus/alerts.yaml"
)

// TestDashboardsAndRules lets a real Prometheus scrape a running rollout, and
// asks it every query of every panel and every rule that is shipped. What only an
// experiment has is asked of one beside it.
func TestDashboardsAndRules(t *testing.T) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus on this machine, whose answers are what is tested")
	}
	text := strings.NewReplacer("{weight: 50}", "{pause: {}}, {weight: 50}", "maxDuration: 90s", "maxDuration: 1h",
		"maxIncrease: 20pp}}", "maxIncrease: 20pp}}, {name: latency, latency: {}}, {name: accuracy, outcome: {maxDecrease: 40pp, maturity: 1s}}").
		Replace(strangers(model(t, 5), model(t, 5))) + fmt.Sprintf(`    guardrails:
    - {name: queue, from: {json: {url: %q, path: $.depth}}, min: 0, max: 100, effect: Warn, every: 1s}
`, queue(t, 130))
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	load, calm := context.WithCancel(s.ctx)
	t.Cleanup(calm)
	driveLabelled(load, t, s.gateway)
	x := start(t, several(t), filepath.Join(t.TempDir(), "state.db"))
	(&users{seen: map[string]map[string]int{}}).drive(load, t, x.gateway)
	p := startPrometheus(t, binary, s.dashboard, x.dashboard)
	s.until("under way with labels", func(st engine.Status) bool {
		return st.Observed.Canary == traffic.Percent(20) && st.Labels["canary"].Labelled > 0 && st.Labels["stable"].Labelled > 0
	})
	for where, queries := range panels(t) {
		p.answers(where, true, queries...)
	}
	for where, rule := range rules(t) {
		p.answers(where, rule.Record != "", rule.Expr)
		for _, selector := range regexp.MustCompile(`haldane_[a-z_]+(\{[^}]*\})?`).FindAllString(rule.Expr, -1) {
			p.answers(where, true, selector)
		}
	}
}

// queue is a server that says how deep a queue is.
func queue(t *testing.T, depth int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"depth":%d}`, depth)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// several is an experiment with three arms that does not end.
func several(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: several}
spec:
  endpoints:
    stable: {version: v1, url: %q, readiness: {interval: 100ms}}
    canary: {version: v2, url: %q, readiness: {interval: 100ms}}
    variants:
      v3: {version: v3, url: %q, readiness: {interval: 100ms}}
  strategy:
    experiment:
      goal: {outcome: {maturity: 300ms}}
      minDuration: 1h
      maxDuration: 2h`+experimentTail, classifier(t, 50, 0), classifier(t, 50, 0), classifier(t, 90, 0), "")
}

// driveLabelled sends requests and their labels.
func driveLabelled(ctx context.Context, t *testing.T, gateway string) {
	t.Helper()
	post := func(path, body string) string {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return ""
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return ""
		}
		_ = resp.Body.Close()
		return resp.Header.Get("X-Haldane-Prediction-Id")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			if id := post("/score", `{"x":1}`); id != "" && n%2 == 0 {
				post("/feedback", fmt.Sprintf(`{"id":%q,"label":"yes"}`, id))
			}
		}
	}()
	t.Cleanup(func() { <-done })
}

// promServer is a Prometheus that scrapes some rollouts.
type promServer struct {
	t   *testing.T
	url string
}

func startPrometheus(t *testing.T, binary string, rollouts ...string) *promServer {
	t.Helper()
	dir := t.TempDir()
	var targets []string
	for _, r := range rollouts {
		targets = append(targets, strings.TrimPrefix(r, "http://"))
	}
	list, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs: [{job_name: haldane, static_configs: [{targets: %s}]}]\n", list)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(30*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		late.Stop()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("prometheus says:\n%s", text)
		}
	})
	return &promServer{t, "http://" + address}
}

// answers asks until one of the queries has an answer without error and, if data
// is wanted, with a finite number in it.
func (p *promServer) answers(where string, data bool, queries ...string) {
	p.t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, query := range queries {
			var finite int
			if finite, err = p.ask(query); err == nil && (finite > 0 || !data) {
				return
			}
		}
		if err != nil && strings.Contains(err.Error(), "bad_data") {
			break
		}
	}
	p.t.Errorf("%s: none of %q has data (%v)", where, queries, err)
}

// ask returns how many finite samples the answer has.
func (p *promServer) ask(query string) (finite int, err error) {
	resp, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	var a struct {
		ErrorType, Error string
		Data             struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return 0, err
	}
	if a.Error != "" {
		return 0, fmt.Errorf("%s: %s", a.ErrorType, a.Error)
	}
	for _, r := range a.Data.Result {
		text, _ := r.Value[1].(string)
		if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
			finite++
		}
	}
	return finite, nil
}

// panels are the queries of the dashboards, their variables replaced: each for
// either rollout.
func panels(t *testing.T) map[string][]string {
	t.Helper()
	type panel struct {
		Title   string
		Targets []struct{ Expr, RefID string }
	}
	out := map[string][]string{}
	files, _ := filepath.Glob(filepath.Join(grafanaFolder, "*.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels     []panel
			Templating struct{ List []struct{ Name string } }
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range board.Panels {
			for i, target := range p.Targets {
				where := fmt.Sprintf("%s, %s, query %d", filepath.Base(file), p.Title, i+1)
				for _, rollout := range []string{"strangers", "several"} {
					query := strings.NewReplacer("$rollout", rollout, "$__rate_interval", "20s").Replace(target.Expr)
					if strings.Contains(query, "$") {
						t.Errorf("%s: a variable that nothing replaces: %s", where, query)
					}
					out[where] = append(out[where], query)
				}
			}
		}
	}
	if len(files) < 2 || len(out) < 40 {
		t.Fatalf("%d dashboards with %d queries were read", len(files), len(out))
	}
	return out
}

type rule struct{ Alert, Record, Expr string }

func rules(t *testing.T) map[string]rule {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	out := map[string]rule{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			out["rule "+r.Alert+r.Record] = r
		}
	}
	if len(out) < 8 {
		t.Fatalf("%d rules were read", len(out))
	}
	return out
}

// TestAlertsFire plays recorded series to the rules, which fire when they
// should and are silent when not.
func TestAlertsFire(t *testing.T) {
	binary, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool on this machine, which plays the series")
	}
	c := exec.CommandContext(t.Context(), binary, "test", "rules", strings.Replace(rulesFile, ".yaml", "_test.yaml", 1))
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
