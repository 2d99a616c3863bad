package prometheus

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/prometheustest"
)

// models are two versions of a model as an exporter shows them. What each scrape
// was told is kept.
type models struct {
	mu     sync.Mutex
	n      int // scrapes
	canary bool
}

// ServeHTTP answers a scrape. Stable counts 190 requests between two scrapes, of
// which 2 fail, and is restarted every fifth; the canary 10, from when it is there.
func (m *models) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	life := m.n % 5
	fmt.Fprintf(w, "# TYPE requests_total counter\n")
	fmt.Fprintf(w, "requests_total{version=\"v1\",code=\"200\"} %d\n", 188*(life+1))
	fmt.Fprintf(w, "requests_total{version=\"v1\",code=\"500\"} %d\n", 2*(life+1))
	if m.canary {
		fmt.Fprintf(w, "requests_total{version=\"v2\",code=\"200\"} %d\n", 10*m.n)
	}
	fmt.Fprintf(w, "# TYPE request_seconds histogram\n")
	for i, le := range []string{"0.1", "0.25", "+Inf"} {
		fmt.Fprintf(w, "request_seconds_bucket{version=\"v1\",le=%q} %d\n", le, []int{100, 180, 190}[i]*(life+1))
	}
}

func (m *models) scrapes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// TestRealServer reads back what a real Prometheus scraped: each increment once,
// through restarts and the beginning of the canary. The server is asked for the
// samples it has, so that the test does not depend on when it scraped.
func TestRealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	m := &models{}
	target := httptest.NewServer(m)
	defer target.Close()
	address := prometheustest.Start(t, strings.TrimPrefix(target.URL, "http://")).Address

	prometheustest.Await(t, "scrapes of stable", func() bool { return m.scrapes() >= 3 })
	from := lastSample(t, address)
	m.mu.Lock()
	m.canary = true
	m.mu.Unlock()
	before := m.scrapes()
	prometheustest.Await(t, "scrapes of both", func() bool { return m.scrapes() >= before+12 })

	o := Options{
		Address: address, Stable: `version="v1"`, Canary: `version="v2"`, Weight: .05,
		From: from, To: lastSample(t, address), Block: 700 * time.Millisecond,
		Series: map[string]Series{
			"errors":  {"total": "requests_total", "bad": `requests_total{code="500"}`},
			"latency": {"buckets": "request_seconds_bucket"},
		},
	}
	metrics := []analysis.Metric{{Name: "errors", Kind: analysis.ErrorRate}, {Name: "latency", Kind: analysis.Latency}}
	var sum analysis.Measure
	over := []int64{0, 0, 0}
	blocks := 0
	if err := Read(t.Context(), metrics, o, func(b Block) error {
		blocks++
		x := b.Metrics["errors"]
		sum.Stable.N, sum.Stable.K = sum.Stable.N+x.Stable.N, sum.Stable.K+x.Stable.K
		sum.Canary.N, sum.Canary.K = sum.Canary.N+x.Canary.N, sum.Canary.K+x.Canary.K
		for i, n := range b.Metrics["latency"].Stable.Counts {
			over[i] += n
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	scrapes := sum.Stable.N / 190
	t.Logf("%d blocks, %d scrapes, canary %d requests", blocks, scrapes, sum.Canary.N)
	if scrapes < 5 || sum.Stable.N != 190*scrapes || sum.Stable.K != 2*scrapes || sum.Canary.K != 0 {
		t.Errorf("stable %+v: want a whole number of scrapes, at least 5, of 190 requests with 2 failures", sum.Stable)
	}
	if over[0] != 100*scrapes || over[1] != 80*scrapes || over[2] != 10*scrapes {
		t.Errorf("buckets %v of %d scrapes, want 100, 80 and 10 each", over, scrapes)
	}
	// The canary appeared with all it had counted since before, and then ten a scrape.
	if sum.Canary.N%10 != 0 || sum.Canary.N < 10*(scrapes-1) {
		t.Errorf("canary %+v in %d scrapes", sum.Canary, scrapes)
	}
}

// lastSample returns the time of the newest sample of stable.
func lastSample(t *testing.T, address string) time.Time {
	t.Helper()
	var last time.Time
	prometheustest.Await(t, "a sample", func() bool {
		v, err := newest(t.Context(), address, `requests_total{version="v1",code="200"}`)
		last = v
		return err == nil && !v.IsZero()
	})
	return last
}

// newest returns the time of a selector's newest sample, zero if it has none.
func newest(ctx context.Context, address, selector string) (time.Time, error) {
	client, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return time.Time{}, err
	}
	v, _, _, err := v1.NewAPI(client).Query(ctx, "timestamp("+selector+")", time.Now())
	if err != nil {
		return time.Time{}, err
	}
	vector, ok := v.(model.Vector)
	if !ok || len(vector) == 0 {
		return time.Time{}, nil
	}
	return time.UnixMilli(int64(math.Round(float64(vector[0].Value) * 1000))), nil
}
