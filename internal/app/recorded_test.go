package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/judge"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// asked answers every query with one series that rises by ten every ten seconds,
// and notes what was asked.
type asked struct {
	queries []string
	token   string
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	q := r.Form.Get("query")
	a.queries, a.token = append(a.queries, q[:strings.LastIndex(q, "[")]), r.Header.Get("Authorization")
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"weight":"0.05","class":"a","le":"+Inf"},"values":[[999,"0"],[1010,"10"],[1020,"20"]]}]}}`)
}

func TestRecordedKnowsExporters(t *testing.T) {
	metrics := []analysis.Metric{{Name: "errors", Kind: analysis.ErrorRate}, {Name: "latency", Kind: analysis.Latency}}
	for name, c := range map[string]struct {
		o    cli.RecordedOptions
		want []string
	}{
		"haldane": {cli.RecordedOptions{Exporter: "haldane"}, []string{
			`haldane_gateway_requests_total{assignment="random",arm="stable",rollout="churn"}`,
			`haldane_gateway_requests_total{assignment="random",result="failed",arm="canary",rollout="churn"}`,
			`{__name__=~"haldane_gateway_request_duration_seconds|haldane_gateway_request_duration_seconds_bucket",arm="canary",rollout="churn"}`,
			`haldane_gateway_assigned_total{arm="stable",rollout="churn"}`,
			`haldane_gateway_half_requests_total{rollout="churn"}`,
		}},
		"istio": {cli.RecordedOptions{Exporter: "istio", Stable: `destination_version="v1"`, Canary: `destination_version="v2"`, Weight: .05}, []string{
			`istio_requests_total{reporter="source",response_code=~"5..",destination_version="v2"}`,
		}},
		"custom": {cli.RecordedOptions{Exporter: "custom", Stable: "v=1", Canary: "v=2", Weight: .05, Series: map[string]map[string]string{
			"errors": {"total": "r", "bad": "b"}, "latency": {"buckets": "l"},
		}}, []string{`r{v=1}`, `b{v=2}`, `l{v=1}`}},
		"one series replaced": {cli.RecordedOptions{Exporter: "haldane", Series: map[string]map[string]string{"errors": {"bad": "b"}}}, []string{
			`haldane_gateway_requests_total{assignment="random",arm="stable",rollout="churn"}`, `b{arm="stable",rollout="churn"}`,
		}},
	} {
		a := &asked{}
		server := httptest.NewServer(a)
		o := c.o
		o.Address, o.Token, o.From, o.To, o.Block = server.URL, "secret", time.Unix(1000, 0), time.Unix(1020, 0), 10*time.Second
		o.Plan = rollout.Plan{Name: "churn", Analysis: analysis.Config{Metrics: metrics}}
		var got []judge.Block
		err := Recorded(t.Context(), o, func(b judge.Block) error { got = append(got, b); return nil })
		server.Close()
		if err != nil || len(got) != 2 || a.token != "Bearer secret" {
			t.Fatalf("%s: %d blocks, token %q, %v", name, len(got), a.token, err)
		}
		if b := got[1]; b.T != 1020 || b.Seconds != 10 || b.Weight != .05 || b.Metrics["errors"].Stable.N != 10 {
			t.Errorf("%s: %+v", name, b)
		}
		for _, q := range c.want {
			if !slices.Contains(a.queries, q) {
				t.Errorf("%s: did not ask for %s, but for %q", name, q, a.queries)
			}
		}
	}
}

func TestRecordedRefuses(t *testing.T) {
	plan := rollout.Plan{Name: "churn", Analysis: analysis.Config{Metrics: []analysis.Metric{{Name: "labels", Kind: analysis.Outcome}}}}
	for want, o := range map[string]cli.RecordedOptions{
		"--exporter is \"prom\": write one of custom, haldane, istio, traefik, nginx, kserve, triton, vllm, seldon, bentoml, model": {Exporter: "prom"},
		"metric labels: which series count its total? A metric of kind outcome needs the parts total, bad":                          {Exporter: "haldane"},
	} {
		o.Plan, o.From, o.To, o.Block = plan, time.Unix(1, 0), time.Unix(2, 0), time.Second
		if err := Recorded(t.Context(), o, nil); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}
