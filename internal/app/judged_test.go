package app

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/prometheustest"
)

// TestJudgeARealServer: the command, its wiring and a Prometheus that keeps native
// histograms. The canary fails ten times as often.
func TestJudgeARealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	requests := client.NewCounterVec(client.CounterOpts{Name: "requests_total", Help: "Requests."}, []string{"version", "code"})
	latency := client.NewHistogramVec(client.HistogramOpts{Name: "latency_seconds", Help: "Time to answer.", NativeHistogramBucketFactor: 1.1}, []string{"version"})
	registry := client.NewRegistry()
	registry.MustRegister(requests, latency)
	answer := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	scraped := make(chan struct{}, 1000)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for version, failed := range map[string]float64{"v1": 5, "v2": 50} {
			requests.WithLabelValues(version, "200").Add(500 - failed)
			requests.WithLabelValues(version, "500").Add(failed)
			for i := range 100 {
				latency.WithLabelValues(version).Observe(.1 + float64(i)/1000)
			}
		}
		answer.ServeHTTP(w, r)
		scraped <- struct{}{}
	}))
	defer target.Close()
	server := prometheustest.Start(t, strings.TrimPrefix(target.URL, "http://"), "--enable-feature=native-histograms")
	from := time.Now()
	for range 24 {
		<-scraped
	}
	file := filepath.Join(t.TempDir(), "rollout.yaml")
	text := `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  endpoints:
    stable: {version: v1, url: "http://127.0.0.1:1"}
    canary: {version: v2, url: "http://127.0.0.1:2"}
  strategy: {canary: {steps: [{weight: 50}, {weight: 100}]}}
  routing: {gateway: {listen: "127.0.0.1:0"}}
  analysis:
    warmup: 0s
    metrics:
    - {name: errors, errorRate: {}}
    - {name: latency, latency: {maxSlower: {p50: 10%}}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	code := cli.Main(t.Context(), []string{
		"judge", "-o", "json", "-f", file, "--prometheus", server.Address, "--exporter", "custom", "--weight", "50", "--block", "500ms",
		"--from", strconv.FormatInt(from.Unix(), 10), "--stable", `version="v1"`, "--canary", `version="v2"`,
		"--series", "errors.total=requests_total", "--series", `errors.bad=requests_total{code="500"}`,
		"--series", "latency.buckets=latency_seconds_bucket",
	}, &out, &errOut, cli.Program{Plan: Plan, Recorded: Recorded})
	var got struct {
		Verdict  string
		Culprits []string
		Evidence map[string]struct {
			Decision       string
			Stable, Canary struct{ N, Value float64 }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("code %d: %v\n%s%s", code, err, &out, &errOut)
	}
	if code != 3 || got.Verdict != "Fail" || !slices.Equal(got.Culprits, []string{"errors"}) {
		t.Errorf("code %d, %+v", code, got)
	}
	l := got.Evidence["latency"] // the same on both arms: its median is known to a bucket
	if l.Decision == "Fail" || l.Stable.N == 0 || l.Stable.N != l.Canary.N || math.Abs(l.Stable.Value-.15) > .01 {
		t.Errorf("latency %+v", l)
	}
}
