package prometheus_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/prometheustest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// fleet is the processes of two arms behind one address. Every scrape finds more
// requests than the one before, and is written down.
type fleet struct {
	mu      sync.Mutex
	pods    map[string]*podCounter
	told    map[string]int64 // requests of each arm that any scrape has shown
	bad     map[string]int64
	scrapes int
}

type podCounter struct {
	arm                string
	step, n, bad       int64 // by how many requests each scrape finds more
	shown, shownFailed int64 // in the scrape before
}

// ServeHTTP answers a scrape.
func (f *fleet) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scrapes++
	var ok, failed, buckets strings.Builder
	for name, p := range f.pods {
		p.n += p.step
		p.bad += p.step / 10
		f.told[p.arm] += p.n - p.shown
		f.bad[p.arm] += p.bad - p.shownFailed
		p.shown, p.shownFailed = p.n, p.bad
		labels := fmt.Sprintf("arm=%q,pod=%q", p.arm, name)
		fmt.Fprintf(&ok, "requests_total{%s,code=\"200\"} %d\n", labels, p.n-p.bad)
		fmt.Fprintf(&failed, "requests_total{%s,code=\"500\"} %d\n", labels, p.bad)
		for i, le := range []string{"0.1", "1", "+Inf"} {
			fmt.Fprintf(&buckets, "latency_seconds_bucket{%s,le=%q} %d\n", labels, le, p.n*int64(i+8)/10)
		}
	}
	fmt.Fprintf(w, "# TYPE requests_total counter\n%s%s# TYPE latency_seconds histogram\n%s", &ok, &failed, &buckets)
}

// change does something between two scrapes.
func (f *fleet) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// end lets a process do nothing more, and returns when the server has stored all
// that it did: what a process counts after its last scrape is lost to anybody.
func (f *fleet) end(t *testing.T, address, name string) {
	t.Helper()
	want := ""
	f.change(func() {
		p := f.pods[name]
		p.step, want = 0, strconv.FormatInt(p.n-p.bad, 10)
	})
	prometheustest.Await(t, "the last scrape of "+name, func() bool {
		r, err := http.Get(address + "/api/v1/query?query=" + url.QueryEscape(fmt.Sprintf(`requests_total{pod=%q,code="200"}`, name)))
		if err != nil {
			return false
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		return err == nil && strings.Contains(string(body), `,"`+want+`"]`)
	})
}

// begin lets a process begin, at zero.
func (f *fleet) begin(name, arm string, step int64) {
	f.change(func() { f.pods[name] = &podCounter{arm: arm, step: step} })
}

func (f *fleet) count() (scrapes int) {
	f.change(func() { scrapes = f.scrapes })
	return scrapes
}

// more waits for some scrapes.
func (f *fleet) more(t *testing.T, n int) {
	t.Helper()
	from := f.count()
	prometheustest.Await(t, "scrapes", func() bool { return f.count() >= from+n })
}

// patience is the scrape interval as the source is told it: a machine that is busy
// keeps samples longer than a scrape takes.
const patience = 4 * prometheustest.ScrapeInterval

// totals adds up blocks.
type totals struct{ n, k [traffic.NumArms]int64 }

func (s *totals) add(x analysis.Measure) {
	for arm, c := range []analysis.Counts{x.Stable, x.Canary} {
		s.n[arm] += c.N
		s.k[arm] += c.K
	}
}

// TestLive counts what two arms did while a real Prometheus scraped them: through
// the restart of a process, one that began midway, a restart of Prometheus and one
// of Haldane. Every request that a scrape has shown is in one block.
func TestLive(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	f := &fleet{told: map[string]int64{}, bad: map[string]int64{}, pods: map[string]*podCounter{
		"s1": {arm: "stable", step: 90}, "s2": {arm: "stable", step: 50}, "c1": {arm: "canary", step: 10},
	}}
	target := httptest.NewServer(f)
	defer target.Close()
	server := prometheustest.Start(t, strings.TrimPrefix(target.URL, "http://"))
	open := func() *prometheus.Source {
		arms, err := prometheus.ByLabel("arm", "stable", "canary")
		if err != nil {
			t.Fatal(err)
		}
		s, err := prometheus.New(prometheus.Config{
			Address: server.Address, Arms: arms, ScrapeInterval: patience,
			Series: map[string]prometheus.Series{
				"errors": requests, "latency": {"buckets": "latency_seconds_bucket"},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	source := open()
	q := metric.Query{Revision: "r1", Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}, {Name: "latency", Kind: analysis.Latency}}}
	f.more(t, 3)
	var sum totals
	var latency [3]int64
	cursor, start := "", time.Now()
	var counted time.Time // up to here
	collect := func(end time.Time) error {
		s, err := source.Collect(t.Context(), q, metric.Window{After: cursor, Start: start, End: end, Weight: .07})
		if err != nil {
			return err
		}
		cursor, counted = s.Cursor, s.End
		sum.add(s.Metrics["errors"])
		for i, n := range s.Metrics["latency"].Stable.Counts {
			latency[i] += n
		}
		return nil
	}
	must := func() {
		t.Helper()
		if err := collect(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	prometheustest.Await(t, "a first count", func() bool { must(); return sum.n[traffic.Stable] > 0 })
	f.begin("c2", "canary", 20)
	f.end(t, server.Address, "s1")
	f.begin("s1", "stable", 90)
	f.more(t, 4)
	must()
	f.end(t, server.Address, "c1")
	server.Stop()
	if err := collect(time.Now().Add(time.Minute)); !errors.Is(err, metric.ErrUnavailable) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("while Prometheus is away: %v", err)
	}
	f.begin("c1", "canary", 10)
	f.begin("s3", "stable", 30)
	server.Again()
	source = open() // Haldane begins again, too
	f.more(t, 6)
	// Nobody asks for more: the last scrape shows what the one before did.
	f.change(func() {
		for _, p := range f.pods {
			p.step = 0
		}
	})
	want := func() (out totals) {
		f.change(func() {
			for arm, name := range []string{traffic.Stable: "stable", traffic.Canary: "canary"} {
				out.n[arm], out.k[arm] = f.told[name], f.bad[name]
			}
		})
		return out
	}
	full := want()
	f.more(t, 3)
	end := time.Now()
	prometheustest.Await(t, "the last scrape", func() bool { must(); return counted.After(end) })
	// Counting begins at the first sample after start. What scrapes had shown until
	// then is missing: a whole number of scrapes of the processes of then.
	var before totals
	for arm := range full.n {
		before.n[arm], before.k[arm] = full.n[arm]-sum.n[arm], full.k[arm]-sum.k[arm]
	}
	if s, c := before.n[traffic.Stable], before.n[traffic.Canary]; s%140 != 0 || c%10 != 0 || s/140 != c/10 ||
		before.k[traffic.Stable] != s/10 || before.k[traffic.Canary] != c/10 {
		t.Errorf("counted %+v of %+v: %+v is missing, which no scrapes before the first showed", sum, full, before)
	}
	t.Logf("counted %+v, %d scrapes in all", sum, f.count())
	if n := sum.n[traffic.Stable]; latency[0]+latency[1]+latency[2] != n {
		t.Errorf("latencies %v, want %d in all", latency, n)
	}
}

// TestLiveNative reads native histograms of a real Prometheus.
func TestLiveNative(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	latency := client.NewHistogramVec(client.HistogramOpts{
		Name: "latency_seconds", Help: "Time to answer.", NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
	}, []string{"arm"})
	registry := client.NewRegistry()
	registry.MustRegister(latency)
	scrapes := &fleet{}
	answer := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scrapes.change(func() { scrapes.scrapes++ })
		answer.ServeHTTP(w, r)
	}))
	defer target.Close()
	latency.WithLabelValues("stable").Observe(.1)
	latency.WithLabelValues("canary").Observe(.1)
	server := prometheustest.Start(t, strings.TrimPrefix(target.URL, "http://"), "--enable-feature=native-histograms")
	arms, err := prometheus.ByLabel("arm", "stable", "canary")
	if err != nil {
		t.Fatal(err)
	}
	source, err := prometheus.New(prometheus.Config{
		Address: server.Address, Arms: arms, ScrapeInterval: patience,
		Series: map[string]prometheus.Series{"latency": {"buckets": "latency_seconds_bucket"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	scrapes.more(t, 3)
	for i := range 100 {
		latency.WithLabelValues("stable").Observe(.05 + float64(i)/1000)
		latency.WithLabelValues("canary").Observe(.2)
	}
	q := metric.Query{Metrics: []metric.Metric{{Name: "latency", Kind: analysis.Latency}}}
	cursor := ""
	var got [traffic.NumArms]int64
	schema := 0
	prometheustest.Await(t, "all latencies", func() bool {
		s, err := source.Collect(t.Context(), q, metric.Window{After: cursor, Start: start, End: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		cursor = s.Cursor
		x := s.Metrics["latency"]
		for arm, n := range []*analysis.Native{x.Stable.Native, x.Canary.Native} {
			if n == nil {
				continue
			}
			for _, c := range n.Counts {
				got[arm] += c
			}
			schema = n.Schema
		}
		return got[traffic.Stable] >= 100 && got[traffic.Canary] >= 100
	})
	if got != [traffic.NumArms]int64{100, 100} || schema != 3 {
		t.Errorf("counted %v by schema %d, want 100 of each by schema 3", got, schema)
	}
}
