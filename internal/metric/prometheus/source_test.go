package prometheus_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus"
	"github.com/haldane-dev/haldane/internal/metric/prometheus/prometheustest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a time in seconds after noon.
func at(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }

// world is a server that scrapes every ten seconds, and a source that asks it.
type world struct {
	t      *testing.T
	server *prometheustest.Server
	source *prometheus.Source
	query  metric.Query
	cursor string
	weight float64
}

var requests = prometheus.Series{"total": "requests_total", "bad": `requests_total{code="500"}`}

func newWorld(t *testing.T, change func(*prometheus.Config)) *world {
	w := &world{t: t, server: &prometheustest.Server{}, weight: .05}
	listening := httptest.NewServer(w.server)
	t.Cleanup(listening.Close)
	arms, err := prometheus.ByLabel("arm", "stable", "canary")
	if err != nil {
		t.Fatal(err)
	}
	c := prometheus.Config{
		Address: listening.URL, Arms: arms, ScrapeInterval: 10 * time.Second,
		Metrics: map[string]analysis.Metric{"errors": {Name: "errors", Kind: analysis.ErrorRate}},
		Series:  map[string]prometheus.Series{"errors": requests},
	}
	if change != nil {
		change(&c)
	}
	if w.source, err = prometheus.New(c); err != nil {
		t.Fatal(err)
	}
	w.query = metric.Query{Rollout: "shop/churn", Revision: "r1"}
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		w.query.Metrics = append(w.query.Metrics, metric.Metric{Name: name, Kind: c.Metrics[name].Kind})
	}
	return w
}

// pod scrapes a counter of a pod every ten seconds from a time on.
func (w *world) pod(arm, name, series string, from float64, values ...int) {
	w.t.Helper()
	for i, v := range values {
		if v >= 0 {
			w.server.Scrape(w.t, at(from+10*float64(i)), map[string]string{"arm": arm, "pod": name}, fmt.Sprintf("%s %d\n", series, v))
		}
	}
}

// collect asks for the block from the cursor until a time, ten seconds of which
// are left for scrapes to end.
func (w *world) collect(start, end float64) analysis.Sample {
	w.t.Helper()
	s, err := w.source.Collect(w.t.Context(), w.query, metric.Window{After: w.cursor, Start: at(start), End: at(end + 10), Weight: w.weight})
	if err != nil {
		w.t.Fatal(err)
	}
	w.cursor = s.Cursor
	return s
}

// errors lists n and k of both arms.
func counted(s analysis.Sample) [4]int64 {
	m := s.Metrics["errors"]
	return [4]int64{m.Stable.N, m.Stable.K, m.Canary.N, m.Canary.K}
}

func (w *world) want(what string, s analysis.Sample, want ...int64) {
	w.t.Helper()
	if diff := cmp.Diff([4]int64(want), counted(s)); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestEveryIncrementFallsIntoOneBlock(t *testing.T) {
	w := newWorld(t, nil)
	// A restart at 45; what fails first appears when it first does.
	w.pod("stable", "a", `requests_total{code="200"}`, -25, 100, 110, 120, 130, 150, 180, 220, 5, 10, 20, 30)
	w.pod("stable", "a", `requests_total{code="500"}`, 25, 3, 4)
	// Born at 22, among others that were there.
	w.pod("canary", "b", `requests_total{code="200"}`, 22, 4, 6, 9, 9, 12)
	first := w.collect(0, 30)
	w.want("first", first, 30+20+3, 3, 4, 0)
	if !first.Start.Equal(at(0)) || !first.End.Equal(at(30)) {
		t.Errorf("from %v to %v", first.Start, first.End)
	}
	saved := w.cursor
	w.want("second", w.collect(30, 50), 40+5+1, 1, 2+3, 0)
	w.cursor = saved
	w.want("second again, longer, as after a restart", w.collect(70, 80), 40+5+1+5+10+10, 1, 8, 0)
}

// TestAtLeastTwoScrapes: a block too short to hold two has no counts, and the next
// begins where it did.
func TestAtLeastTwoScrapes(t *testing.T) {
	w := newWorld(t, nil)
	w.pod("stable", "a", "requests_total", -5, 0, 10, 20, 30, 40)
	short := w.collect(0, 19)
	if len(short.Metrics) > 0 || short.End.After(short.Start) || len(w.server.Asked()) > 0 {
		t.Errorf("too short: %+v, asked %q", short, w.server.Asked())
	}
	w.want("long enough", w.collect(19, 26), 20, 0, 0, 0) // 10 of the 30 are from before 0 in part
}

// TestWhatStraddlesAChange: what a counter gained between two scrapes, between
// which the canary's share changed, is evidence of neither.
func TestWhatStraddlesAChange(t *testing.T) {
	w := newWorld(t, nil)
	w.pod("stable", "a", "requests_total", -5, 0, 10, 20, 30, 40, 50, 60, 70)
	w.want("before", w.collect(0, 20), 10, 0, 0, 0)
	w.weight = .25
	w.want("after", w.collect(32, 60), 20, 0, 0, 0) // at 45 and 55; that at 35 began at 25
}

func TestAnotherRevisionBeginsAnew(t *testing.T) {
	w := newWorld(t, nil)
	w.pod("stable", "a", "requests_total", -5, 0, 10, 20, 30, 40, 50, 60, 70)
	w.collect(0, 20)
	w.query.Revision = "r2"
	w.want("of another revision", w.collect(40, 60), 10, 0, 0, 0)
}

// TestNothingWasThere: the server may only have begun to scrape.
func TestNothingWasThere(t *testing.T) {
	w := newWorld(t, nil)
	w.pod("stable", "a", "requests_total", 15, 5000, 5010, 5030)
	w.pod("canary", "b", "requests_total", 15, 900, 901, 902)
	w.want("first", w.collect(0, 40), 30, 0, 2, 0)
}

// TestAwayForLong: a process that was not scraped for longer than the answer goes
// back has not begun then, and what it did meanwhile counts.
func TestAwayForLong(t *testing.T) {
	w := newWorld(t, nil)
	w.pod("stable", "a", "requests_total", -5, 1000, 1010, 1020)
	w.pod("stable", "a", "requests_total", 605, 1500, 1510)
	w.pod("canary", "b", "requests_total", 605, 7, 9)
	w.collect(0, 20)
	w.want("the gap", w.collect(20, 620), 490, 0, 9, 0)
	back := slices.DeleteFunc(w.server.Asked(), func(q string) bool { return !strings.HasPrefix(q, "last_over_time(") })
	if len(back) == 0 {
		t.Errorf("nothing asked what was before: %q", w.server.Asked())
	}
}

// TestLongAbsence: what is older than an hour is left out, and the answers stay
// small.
func TestLongAbsence(t *testing.T) {
	w := newWorld(t, nil)
	var values []int
	for i := range 900 { // two and a half hours
		values = append(values, 10*i)
	}
	w.pod("stable", "a", "requests_total", -5, values...)
	w.collect(0, 20)
	s := w.collect(7200, 7200)
	w.want("after two hours", s, 3600, 0, 0, 0)
	if !s.Start.Equal(at(3600)) {
		t.Errorf("begins at %v", s.Start)
	}
}

func TestClockSetBack(t *testing.T) {
	w := newWorld(t, nil)
	w.pod("stable", "a", "requests_total", -5, 0, 10, 20, 30, 40)
	w.collect(0, 30)
	saved := w.cursor
	if s := w.collect(0, 20); s.Cursor != saved || len(s.Metrics) > 0 {
		t.Errorf("a little: %+v", s)
	}
	if s := w.collect(-7200, -7100); s.Cursor == saved {
		t.Error("by hours: the cursor of the future stands")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter) bool
		want   string
		later  bool
	}{
		"busy":        {status(http.StatusServiceUnavailable, "loading"), "answers", true},
		"forbidden":   {status(http.StatusForbidden, ""), "tokenFrom", true},
		"nonsense":    {status(http.StatusOK, "<html>"), "answers", true},
		"bad query":   {status(http.StatusBadRequest, `{"status":"error","errorType":"bad_data","error":"parse error: unexpected x"}`), "refuses the question: parse error: unexpected x", false},
		"elsewhere":   {elsewhere, "it sends on to http://elsewhere.example: write that address", true},
		"too large":   {large, "larger than 64 MiB", false},
		"another way": {status(http.StatusOK, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`), "want samples", false},
	} {
		w := newWorld(t, nil)
		w.server.Fail(c.answer)
		_, err := w.source.Collect(t.Context(), w.query, metric.Window{Start: at(0), End: at(60)})
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, metric.ErrUnavailable) != c.later || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q, worth trying again: %v", name, err, c.want, c.later)
		}
	}
}

func status(code int, body string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.WriteHeader(code)
		fmt.Fprint(w, body)
		return true
	}
}

func elsewhere(w http.ResponseWriter) bool {
	w.Header().Set("Location", "http://elsewhere.example/api/v1/query")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

func large(w http.ResponseWriter) bool {
	block := []byte(strings.Repeat(" ", 1<<20))
	for range 65 {
		if _, err := w.Write(block); err != nil {
			return true
		}
	}
	return true
}

func TestRandomDecisions(t *testing.T) {
	w := newWorld(t, func(c *prometheus.Config) { c.Assigned = "assigned_total" })
	w.pod("stable", "g", `assigned_total{weight="0.05"}`, -5, 0, 95, 190, 285)
	w.pod("canary", "g", `assigned_total{weight="0.05"}`, -5, 0, 5, 11, 16)
	s := w.collect(0, 30)
	if diff := cmp.Diff([]analysis.Assignment{{Weight: .05, Stable: 190, Canary: 11}}, s.Assigned); diff != "" {
		t.Errorf("assigned (-want +got):\n%s", diff)
	}
}

// TestLayoutsLast: edges and classes are those of the blocks before, across a
// restart too.
func TestLayoutsLast(t *testing.T) {
	change := func(c *prometheus.Config) {
		c.Metrics = map[string]analysis.Metric{"answers": {Name: "answers", Kind: analysis.Drift}, "latency": {Name: "latency", Kind: analysis.Latency}}
		c.Series = map[string]prometheus.Series{"answers": {"classes": "p_total"}, "latency": {"buckets": "l_seconds_bucket"}}
	}
	w := newWorld(t, change)
	for _, p := range []struct{ arm, class string }{{"stable", "yes"}, {"canary", "yes"}} {
		w.pod(p.arm, p.arm, fmt.Sprintf("p_total{class=%q}", p.class), -5, 0, 1, 2, 3, 4, 5, 6)
	}
	for i, le := range []string{"0.1", "0.5", "+Inf"} {
		for _, arm := range []string{"stable", "canary"} {
			w.pod(arm, arm, fmt.Sprintf("l_seconds_bucket{le=%q}", le), -5, 0, i+1, 2*i+2, 3*i+3, 4*i+4, 5*i+5, 6*i+6)
		}
	}
	w.pod("canary", "canary", `l_seconds_bucket{le="0.25"}`, -5, 0, 2, 4, 6, 8, 10, 12)
	s := w.collect(0, 30)
	half := analysis.Counts{Counts: []int64{2, 2, 2}}
	if diff := cmp.Diff(analysis.Measure{Edges: []float64{.1, .5}, Stable: half, Canary: half}, s.Metrics["latency"]); diff != "" {
		t.Errorf("latency (-want +got):\n%s", diff)
	}
	w.pod("canary", "canary", `p_total{class="no"}`, 35, 4)
	other := newWorld(t, change)
	other.server, other.cursor = w.server, w.cursor
	s = w.collect(30, 50)
	if diff := cmp.Diff(analysis.Measure{Bins: []string{"yes", "no"}, Stable: analysis.Counts{Counts: []int64{2, 0}}, Canary: analysis.Counts{Counts: []int64{2, 4}}}, s.Metrics["answers"]); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	w.pod("canary", "other", `l_seconds_bucket{le="0.1"}`, 55, 1, 1, 1)
	w.pod("canary", "other", `l_seconds_bucket{le="+Inf"}`, 55, 1, 1, 1)
	_, err := w.source.Collect(t.Context(), w.query, metric.Window{After: w.cursor, Start: at(50), End: at(90), Weight: .05})
	if err == nil || !strings.Contains(err.Error(), "no bucket up to 0.5 s") {
		t.Errorf("a pod with other buckets: %v", err)
	}
}

// TestNativeHistograms: coarser buckets, a wider zero bucket and a restart on the
// way.
func TestNativeHistograms(t *testing.T) {
	w := newWorld(t, func(c *prometheus.Config) {
		c.Metrics = map[string]analysis.Metric{"latency": {Name: "latency", Kind: analysis.Latency}}
		c.Series = map[string]prometheus.Series{"latency": {"buckets": "l_seconds_bucket"}}
	})
	native := func(arm string, sec float64, buckets ...model.HistogramBucket) {
		h := model.SampleHistogram{}
		for _, b := range buckets {
			h.Count += b.Count
			h.Buckets = append(h.Buckets, &b)
		}
		w.server.Native(at(sec), model.Metric{"__name__": "l_seconds", "arm": model.LabelValue(arm)}, h)
	}
	b := func(lower, upper, n model.FloatString) model.HistogramBucket {
		return model.HistogramBucket{Lower: lower, Upper: upper, Count: n}
	}
	zero := func(width, n model.FloatString) model.HistogramBucket {
		return model.HistogramBucket{Boundaries: 3, Lower: -width, Upper: width, Count: n}
	}
	// Schema 1 is a factor of √2, schema 0 of 2.
	const root = 1.4142135623730951
	native("stable", 5, b(.5, .5*root, 1), b(.5*root, 1, 4))
	native("stable", 15, b(.5, .5*root, 3), b(.5*root, 1, 4), b(2, 2*root, 1))
	native("stable", 25, b(.5, 1, 8), b(2, 4, 2)) // coarser: 7 and 1 before
	native("stable", 35, b(.5, 1, 2))             // began anew
	native("canary", 5, zero(1e-9, 1), b(.25, .5, 2))
	native("canary", 15, zero(1e-9, 1), b(.25, .5, 5))
	native("canary", 25, zero(.5, 8), b(1, 2, 1)) // 6 before
	s := w.collect(0, 40)
	want := analysis.Measure{
		Stable: analysis.Counts{Native: &analysis.Native{Schema: 0, Offset: -1, Counts: []int64{2 + 1 + 2, 0, 1 + 1}}},
		Canary: analysis.Counts{Native: &analysis.Native{Schema: 0, Zero: 3 + 2, Offset: 0, Counts: []int64{1}}},
	}
	if diff := cmp.Diff(want, s.Metrics["latency"]); diff != "" {
		t.Errorf("latency (-want +got):\n%s", diff)
	}
	native("canary", 45, b(.1, .25, 3), b(.25, .5, 3)) // buckets of somebody's choosing
	_, err := w.source.Collect(t.Context(), w.query, metric.Window{After: w.cursor, Start: at(40), End: at(80), Weight: .05})
	if err == nil || !strings.Contains(err.Error(), "buckets of its own choosing") {
		t.Errorf("custom buckets: %v", err)
	}
}

func TestClassicAgainstNative(t *testing.T) {
	w := newWorld(t, func(c *prometheus.Config) {
		c.Metrics = map[string]analysis.Metric{"latency": {Name: "latency", Kind: analysis.Latency}}
		c.Series = map[string]prometheus.Series{"latency": {"buckets": "l_seconds_bucket"}}
	})
	for i := range 3 {
		n := model.FloatString(i)
		w.server.Native(at(5+10*float64(i)), model.Metric{"__name__": "l_seconds", "arm": "canary"},
			model.SampleHistogram{Count: n, Buckets: model.HistogramBuckets{{Lower: .5, Upper: 1, Count: n}}})
	}
	w.pod("stable", "a", `l_seconds_bucket{le="1"}`, 5, 0, 1, 2)
	w.pod("stable", "a", `l_seconds_bucket{le="+Inf"}`, 5, 0, 1, 2)
	_, err := w.source.Collect(t.Context(), w.query, metric.Window{Start: at(0), End: at(50), Weight: .05})
	if err == nil || !strings.Contains(err.Error(), "classic one of stable") {
		t.Errorf("%v", err)
	}
}

// TestMeansWithoutSquares: bounds bound the squares.
func TestMeansWithoutSquares(t *testing.T) {
	w := newWorld(t, func(c *prometheus.Config) {
		c.Metrics = map[string]analysis.Metric{"score": {Name: "score", Kind: analysis.Mean, Lower: 1, Upper: 3}}
		c.Series = map[string]prometheus.Series{"score": {"total": "s_count", "sum": "s_sum"}}
	})
	w.pod("stable", "a", "s_count", 5, 0, 4)
	w.pod("stable", "a", "s_sum", 5, 0, 8) // between 1, 1, 3, 3 and 2, 2, 2, 2
	s := w.collect(0, 20)
	want := analysis.Measure{Stable: analysis.Counts{N: 4, Sum: 8, SumSq: 20}}
	if diff := cmp.Diff(want, s.Metrics["score"]); diff != "" {
		t.Errorf("score (-want +got):\n%s", diff)
	}
}
