package prometheus_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/prometheustest"
	"github.com/haldane-dev/haldane/internal/metric/sourcetest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// scrape is the scrape interval of the contract's processes: the shortest that the
// times of samples can tell apart.
const scrape = time.Millisecond

// exporter is a process of each arm, scraped whenever something has happened.
type exporter struct {
	t      *testing.T
	server *prometheustest.Server
	mu     sync.Mutex
	n, k   [traffic.NumArms]int
	last   time.Time
}

// serve lets a request happen and returns when its scrape can be counted.
func (e *exporter) serve(arm traffic.Arm, n, bad int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.scrape()
	e.n[arm] += n
	e.k[arm] += bad
	e.scrape()
	for time.Since(e.last) < 4*scrape { // a source waits for scrapes to be over, and for two of them
		time.Sleep(scrape)
	}
}

func (e *exporter) scrape() {
	now := time.Now()
	for ; !now.Truncate(time.Millisecond).After(e.last); now = time.Now() {
		time.Sleep(scrape / 4)
	}
	e.last = now.Truncate(time.Millisecond)
	for arm := range e.n {
		e.server.Scrape(e.t, e.last, map[string]string{"arm": traffic.Arm(arm).String()},
			fmt.Sprintf("# TYPE requests_total counter\nrequests_total{code=\"200\"} %d\nrequests_total{code=\"500\"} %d\n", e.n[arm]-e.k[arm], e.k[arm]))
	}
}

// early begins the first window when the test began: how long the machine takes
// from then on is no matter.
type early struct {
	metric.Source
	began time.Time
}

func (s early) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	if !w.Start.IsZero() {
		w.Start = s.began
	}
	return s.Source.Collect(ctx, q, w)
}

func TestContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		began := time.Now().Add(-time.Second)
		server := &prometheustest.Server{}
		listening := httptest.NewServer(server)
		t.Cleanup(listening.Close)
		e := &exporter{t: t, server: server}
		e.serve(traffic.Stable, 0, 0)
		open := func(t *testing.T) metric.Source {
			arms, err := prometheus.ByLabel("arm", "stable", "canary")
			if err != nil {
				t.Fatal(err)
			}
			s, err := prometheus.New(prometheus.Config{
				Address: listening.URL, Arms: arms, ScrapeInterval: scrape,
				Series: map[string]prometheus.Series{"errors": {"total": "requests_total", "bad": `requests_total{code="500"}`}},
			})
			if err != nil {
				t.Fatal(err)
			}
			return early{s, began}
		}
		return sourcetest.Harness{
			Source: open(t), Reopen: open, Lasting: true,
			Query:  metric.Query{Rollout: "r", Revision: "1", Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}}},
			Errors: "errors",
			Serve:  func(_ *testing.T, arm traffic.Arm, n, bad int) { e.serve(arm, n, bad) },
			Break: func(*testing.T) func() {
				server.Fail(func(w http.ResponseWriter) bool {
					w.WriteHeader(http.StatusServiceUnavailable)
					return true
				})
				return func() { server.Fail(nil) }
			},
		}
	})
}
