package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/stats"
)

// monitoring is somebody's system that measures: documents of a depth and of a
// revenue, and a Prometheus that knows what the depth was.
type monitoring struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	depth   float64
	away    bool
	changed time.Time // since when the depth of the past is five more
	shift   bool      // it changes when the past is asked for
	revenue map[string]float64
	asked   uint64
}

func monitor(t *testing.T) *monitoring {
	t.Setenv("HALDANE_TEST_TOKEN", "of-monitoring")
	m := &monitoring{t: t, revenue: map[string]float64{"v1": 100, "v2": 100}}
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	m.url = s.URL
	return m
}

func (m *monitoring) set(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
}

func (m *monitoring) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if got := r.Header.Get("Authorization"); got != "Bearer of-monitoring" {
		m.t.Errorf("%s: authorization %q", r.URL, got)
	}
	switch {
	case m.away:
		http.Error(w, "down for a while", http.StatusServiceUnavailable)
	case r.URL.Path == "/depth":
		fmt.Fprintf(w, `{"queue":{"depth":%v}}`, m.depth)
	case r.URL.Path == "/revenue":
		fmt.Fprintf(w, `{"perMinute":%v}`, m.revenue[r.URL.Query().Get("of")]+2*stats.Draw(1, m.asked)-1)
	case r.URL.Path == "/api/v1/query_range":
		m.past(w, r)
	default:
		m.t.Errorf("asked for %s", r.URL)
	}
}

// past speaks the range queries of Prometheus.
func (m *monitoring) past(w http.ResponseWriter, r *http.Request) {
	if q := r.FormValue("query"); q != `sum(queue{rollout="strangers"})` {
		m.t.Errorf("query %q", q)
	}
	at := func(name string) float64 {
		x, err := strconv.ParseFloat(r.FormValue(name), 64)
		if err != nil {
			m.t.Errorf("%s: %v", name, err)
		}
		return x
	}
	if m.shift && m.changed.IsZero() {
		m.changed = time.Now()
	}
	var values []string
	for ms := int64(at("start") * 1000); ms <= int64(at("end")*1000); ms += int64(at("step") * 1000) {
		x := stats.Draw(3, uint64(ms))
		if !m.changed.IsZero() && ms > m.changed.UnixMilli() {
			x += 5
		}
		values = append(values, fmt.Sprintf(`[%d.%03d,"%v"]`, ms/1000, ms%1000, x))
	}
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[%s]}]}}`, strings.Join(values, ","))
}

func (m *monitoring) document(path, field string) string {
	return fmt.Sprintf(`from: {json: {url: "%s%s", path: "%s", tokenFrom: {env: HALDANE_TEST_TOKEN}}}`, m.url, path, field)
}

// limited is a rollout of strangers with more lines below analysis.
func limited(t *testing.T, lines string) *started {
	text := strings.Replace(strangers(model(t, 0), model(t, 0)), "  analysis:\n", "  analysis:\n"+lines, 1)
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	return s
}

func TestAGuardrailTakesItBack(t *testing.T) {
	m := monitor(t)
	m.depth = 9
	s := limited(t, `    guardrails: [{name: queue, `+m.document("/depth", "$.queue.depth")+`, max: 5, every: 50ms}]
`)
	<-s.done
	if s.outcome.Phase != rollout.RolledBack || !strings.Contains(s.outcome.Reason, "guardrail queue: is at 9, above its max of 5; outside its limits in 3 of 3 readings") {
		t.Errorf("ended %+v", s.outcome)
	}
}

// TestAGuardrailThatCannotBeReadHolds it where it is, and one in dryRun only tells.
func TestAGuardrailThatCannotBeReadHolds(t *testing.T) {
	m := monitor(t)
	m.away = true
	s := limited(t, `    guardrails:
    - {name: queue, `+m.document("/depth", "$.queue.depth")+`, max: 5, every: 50ms}
    - {name: dry, `+m.document("/depth", "$.queue.depth")+`, min: 4, every: 50ms, dryRun: true}
`)
	st := s.until("held", func(st engine.Status) bool {
		return strings.Contains(st.Waiting, "guardrail queue: cannot be read: ") && strings.Contains(st.Waiting, "503 Service Unavailable: down for a while")
	})
	if st.Step != 0 {
		t.Errorf("it went on to step %d", st.Step)
	}
	m.set(func() { m.away, m.depth = false, 3 })
	s.until("told of the dry run", func(st engine.Status) bool {
		return slices.ContainsFunc(st.Warnings, func(w string) bool {
			return strings.Contains(w, "guardrail dry: is at 3, below its min of 4") && strings.Contains(w, "(dry run: it would take the candidate back)")
		})
	})
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v", s.outcome)
	}
}

func TestAnAnomalyHoldsIt(t *testing.T) {
	m := monitor(t)
	m.shift = true
	text := strings.Replace(strangers(model(t, 0), model(t, 0)), "20pp", "1pp", 1) // longer than an alarm takes
	text = strings.Replace(text, "  analysis:\n", "  analysis:\n"+fmt.Sprintf(`    anomalies:
    - name: queue
      from: {prometheus: {address: %q, query: 'sum(queue{rollout="{{name}}"})', tokenFrom: {env: HALDANE_TEST_TOKEN}}}
      history: 5s
      every: 50ms
`, m.url), 1)
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	drive(s.ctx, t, s.gateway)
	s.until("held", func(st engine.Status) bool {
		return strings.Contains(st.Waiting, "anomaly queue: is no longer what it was: at 5.")
	})
	m.set(func() { m.changed = time.Now().Add(time.Hour) }) // and back
	<-s.done
	if s.outcome.Phase != rollout.Promoted {
		t.Errorf("ended %+v", s.outcome)
	}
}

func TestGaugesOfBothArms(t *testing.T) {
	for name, c := range map[string]struct {
		revenue float64
		want    rollout.Phase
	}{"as good": {100, rollout.Promoted}, "worse": {80, rollout.RolledBack}} {
		t.Run(name, func(t *testing.T) {
			m := monitor(t)
			m.revenue["v2"] = c.revenue
			text := strings.Replace(strangers(model(t, 0), model(t, 0)), "{maxIncrease: 20pp}}]\n",
				"{maxIncrease: 20pp}}, {name: revenue, gauge: {"+m.document("/revenue?of={{version}}", "$.perMinute")+", minRatio: 0.9, every: 100ms}}]\n", 1)
			s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
			drive(s.ctx, t, s.gateway)
			<-s.done
			if s.outcome.Phase != c.want || c.want == rollout.RolledBack && !strings.Contains(s.outcome.Reason, "revenue") {
				t.Errorf("ended %+v", s.outcome)
			}
		})
	}
}

// TestQueryOnACluster: a query without from goes to the source's own Prometheus,
// with its token, and to nobody else.
func TestQueryOnACluster(t *testing.T) {
	var query string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer of churn/metrics/token" {
			t.Errorf("authorization %q", got)
		}
		query = r.FormValue("query")
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}`)
	}))
	defer server.Close()
	refuse := outbound.New(outbound.Options{Allow: func(string) error { return errors.New("is not allowed") }})
	by := clusterReadings(cluster.Rollout{Spec: &v1alpha1.Spec{
		Workload: &v1alpha1.Workload{Name: "churn", StableName: "churn-stable"},
		Analysis: v1alpha1.Analysis{Source: v1alpha1.Source{Prometheus: &v1alpha1.Prometheus{
			Address: server.URL, TokenFrom: &v1alpha1.SecretKey{Name: "metrics", Key: "token"},
		}}},
	}}, clients{urls: refuse, sources: outbound.New(outbound.Options{})})
	by.secrets = func(_ context.Context, s v1alpha1.SecretFrom) ([]byte, error) {
		return []byte("of churn/" + s.Name + "/" + s.Key), nil
	}
	r, err := by.reader(v1alpha1.Reading{Query: `max(gpu{pod=~"{{pods}}"})`})
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Read(t.Context(), reading.Vars{Pods: by.pods[1]}, time.Now())
	if err != nil || v.Number != 7 || query != `max(gpu{pod=~"churn-[0-9a-z]+-[0-9a-z]{5}"})` {
		t.Errorf("%+v of %s, %v", v, query, err)
	}
	pod := regexp.MustCompile("^(?:" + by.pods[1] + ")$")
	if !pod.MatchString("churn-7d9f8b6c5-x2k4q") || pod.MatchString("churn-stable-7d9f8b6c5-x2k4q") {
		t.Errorf("%s takes the pods of the wrong arm", pod)
	}
	r, err = by.reader(v1alpha1.Reading{From: &v1alpha1.Provider{Prometheus: &v1alpha1.PrometheusQuery{Address: server.URL, Query: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), reading.Vars{}, time.Now()); err == nil || !strings.Contains(err.Error(), "is not allowed") {
		t.Errorf("an address of the user's: %v", err)
	}
}
