package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a time in seconds after the epoch.
func at(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }

// fake is a Prometheus server that knows the samples it was given, by selector
// without its range.
type fake struct {
	series  map[string][]fakeSeries
	asked   []string
	failure string
}

type fakeSeries struct {
	labels  map[string]string
	samples map[float64]float64 // by seconds after the epoch
}

// one is a series with a sample every ten seconds from a time on.
func one(labels string, from float64, values ...float64) fakeSeries {
	s := fakeSeries{labels: map[string]string{}, samples: map[float64]float64{}}
	for _, l := range strings.Split(labels, ",") {
		if k, v, ok := strings.Cut(l, "="); ok {
			s.labels[k] = v
		}
	}
	for i, v := range values {
		s.samples[from+10*float64(i)] = v
	}
	return s
}

var ranged = regexp.MustCompile(`^(.*)\[(\d+)ms\]$`)

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	query := r.Form.Get("query")
	f.asked = append(f.asked, query)
	if f.failure != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":%q}`, f.failure)
		return
	}
	part := ranged.FindStringSubmatch(query)
	end, err := strconv.ParseFloat(r.Form.Get("time"), 64)
	if part == nil || err != nil || r.URL.Path != "/api/v1/query" {
		http.Error(w, "want samples", http.StatusBadRequest)
		return
	}
	over, _ := strconv.ParseFloat(part[2], 64)
	type stream struct {
		Metric map[string]string `json:"metric"`
		Values [][2]any          `json:"values"`
	}
	result := []stream{}
	for _, s := range f.series[part[1]] {
		var times []float64
		for sec := range s.samples {
			t := float64(epoch.Unix()) + sec
			if t >= end-over/1000-1e-6 && t <= end+1e-6 { // as servers before version 3, both ends
				times = append(times, sec)
			}
		}
		sort.Float64s(times)
		out := stream{Metric: s.labels}
		for _, sec := range times {
			out.Values = append(out.Values, [2]any{float64(epoch.Unix()) + sec, strconv.FormatFloat(s.samples[sec], 'g', -1, 64)})
		}
		if len(times) > 0 {
			result = append(result, out)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

var shares = []analysis.Metric{{Name: "errors", Kind: analysis.ErrorRate}}

// wanted reads errors in blocks of 20 seconds over two minutes.
func wanted(address string) Options {
	return Options{
		Address: address, Stable: `v="1"`, Canary: `v="2"`, Weight: .1,
		Series: map[string]Series{"errors": {"total": "r", "bad": `r{code="500"}`}},
		From:   at(0), To: at(60), Block: 20 * time.Second,
	}
}

func read(t *testing.T, f *fake, metrics []analysis.Metric, change func(*Options)) []Block {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	o := wanted(server.URL)
	if change != nil {
		change(&o)
	}
	var out []Block
	if err := Read(t.Context(), metrics, o, func(b Block) error { out = append(out, b); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// counts lists n and k of both arms, block by block.
func counts(blocks []Block) [][4]int64 {
	var out [][4]int64
	for _, b := range blocks {
		m := b.Metrics["errors"]
		out = append(out, [4]int64{m.Stable.N, m.Stable.K, m.Canary.N, m.Canary.K})
	}
	return out
}

func TestIncrementsFallIntoTheirBlocks(t *testing.T) {
	f := &fake{series: map[string][]fakeSeries{
		// Two processes; the second is scraped at other times and was reset at 35.
		`r{v="1"}`:            {one("pod=a", -10, 100, 110, 130, 160, 200, 250, 310, 380), one("pod=b", -5, 1000, 1001, 1003, 1007, 5, 7, 9)},
		`r{code="500",v="1"}`: {one("pod=a", -10, 3, 3, 4, 4, 6, 6, 6, 7)},
		// A process that began during the range.
		`r{v="2"}`: {one("pod=c", 25, 8, 9, 11, 14)},
	}}
	got := read(t, f, shares, nil)
	// a: (130−110)+(160−130) | 40+50 | 60+70. b: 1001−1000+2=3 | 4, then 5 | 2+2.
	want := [][4]int64{{50 + 3, 1, 0, 0}, {90 + 4 + 5, 2, 8 + 1, 0}, {130 + 4, 1, 2 + 3, 0}}
	if diff := cmp.Diff(want, counts(got)); diff != "" {
		t.Errorf("counts (-want +got):\n%s\nasked %q", diff, f.asked)
	}
	for i, b := range got {
		if !b.Start.Equal(at(20*float64(i))) || !b.End.Equal(at(20*float64(i+1))) || b.Weight != .1 || b.Assigned != nil {
			t.Errorf("block %d: %v to %v, weight %v, assigned %v", i, b.Start, b.End, b.Weight, b.Assigned)
		}
	}
}

// TestFirstSampleOfAllIsNoCount: nothing was there before, so that the server may
// only have begun to scrape.
func TestFirstSampleOfAllIsNoCount(t *testing.T) {
	f := &fake{series: map[string][]fakeSeries{
		`r{v="1"}`: {one("pod=a", 5, 100000, 100010, 100030, 100060)},
		`r{v="2"}`: {one("pod=c", 5, 90000, 90001, 90003, 90006)},
	}}
	want := [][4]int64{{10, 0, 1, 0}, {50, 0, 5, 0}, {0, 0, 0, 0}}
	if diff := cmp.Diff(want, counts(read(t, f, shares, nil))); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// TestPiecesCountOnce: a range that takes many questions gives the same sum, and
// samples at the seams count once.
func TestPiecesCountOnce(t *testing.T) {
	var values []float64
	for i := range 700 { // two hours, less a little
		values = append(values, float64(i*i))
	}
	f := &fake{series: map[string][]fakeSeries{`r{v="1"}`: {one("pod=a", 0, values...)}}}
	sum := int64(0)
	blocks := read(t, f, shares, func(o *Options) { o.To, o.Block = at(7000), 37*time.Second })
	for _, c := range counts(blocks) {
		sum += c[0]
	}
	if want := int64(699 * 699); sum != want || len(blocks) != 190 {
		t.Errorf("%d in %d blocks, want %d in 190", sum, len(blocks), want)
	}
	if last := blocks[len(blocks)-1]; !last.End.Equal(at(7000)) {
		t.Errorf("the last block ends at %v", last.End)
	}
}

func TestHistogram(t *testing.T) {
	le := func(v string, from float64, values ...float64) fakeSeries { return one("pod=a,le="+v, from, values...) }
	f := &fake{series: map[string][]fakeSeries{
		`{__name__=~"l_milliseconds|l_milliseconds_bucket",v="1"}`: {
			// Reset at 30: the lowest bucket does not fall, and must be reset all the same.
			le("50", 0, 1, 4, 5, 6), le("100", 0, 10, 15, 25, 8), le("+Inf", 0, 20, 26, 40, 9),
		},
		`{__name__=~"l_milliseconds|l_milliseconds_bucket",v="2"}`: {le("50", 30, 2, 3), le("100", 30, 2, 4), le("+Inf", 30, 5, 7)},
	}}
	m := []analysis.Metric{{Name: "latency", Kind: analysis.Latency}}
	got := read(t, f, m, func(o *Options) { o.Series = map[string]Series{"latency": {"buckets": "l_milliseconds_bucket"}} })
	want := []analysis.Measure{
		{Edges: []float64{.05, .1}, Stable: analysis.Counts{Counts: []int64{4, 11, 5}}},
		{Edges: []float64{.05, .1}, Stable: analysis.Counts{Counts: []int64{6, 2, 1}}, Canary: analysis.Counts{Counts: []int64{3, 1, 3}}},
		{Edges: []float64{.05, .1}},
	}
	for i, b := range got {
		if diff := cmp.Diff(want[i], b.Metrics["latency"]); diff != "" {
			t.Errorf("block %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestOtherKinds(t *testing.T) {
	f := &fake{series: map[string][]fakeSeries{
		`c{v="1"}`:  {one("class=no", 0, 0, 5, 9), one("class=yes", 0, 1, 2, 4)},
		`c{v="2"}`:  {one("class=maybe", 0, 0, 0, 0, 2), one("class=yes", 0, 0, 1, 1, 2)},
		`n{v="1"}`:  {one("", 0, 0, 10, 20)},
		`s{v="1"}`:  {one("", 0, 0, 7.5, 15.25)},
		`ss{v="1"}`: {one("", 0, 0, 6, 12.5)},
		`p`:         {one("", 0, 0, 10, 20)},
		`d`:         {one("", 0, 0, 1, 3)},
		`w{v="1"}`:  {one("weight=0.05", 0, 0, 95, 95, 95), one("weight=0.1", 20, 0, 90, 180)},
		`w{v="2"}`:  {one("weight=0.05", 0, 0, 5, 5, 5), one("weight=0.1", 20, 0, 10, 20)},
	}}
	metrics := []analysis.Metric{{Name: "answers", Kind: analysis.Drift}, {Name: "score", Kind: analysis.Mean}, {Name: "agreement", Kind: analysis.Pairs}}
	got := read(t, f, metrics, func(o *Options) {
		o.Assigned = "w"
		o.Series = map[string]Series{
			"answers": {"classes": "c"}, "score": {"total": "n", "sum": "s", "squares": "ss"}, "agreement": {"pairs": "p", "disagree": "d"},
		}
	})
	want := map[string]analysis.Measure{
		"answers": {Bins: []string{"no", "yes"}, Stable: analysis.Counts{Counts: []int64{9, 3}},
			Canary: analysis.Counts{Counts: []int64{0, 1}}},
		"score":     {Stable: analysis.Counts{N: 20, Sum: 15.25, SumSq: 12.5}},
		"agreement": {Pairs: 20, Disagree: 3},
	}
	if diff := cmp.Diff(want, got[0].Metrics); diff != "" {
		t.Errorf("first block (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"no", "yes", "maybe"}, got[1].Metrics["answers"].Bins); diff != "" {
		t.Errorf("a class that comes later (-want +got):\n%s", diff)
	}
	if got[0].Weight != .05 || got[1].Weight != .1 || len(got[1].Assigned) != 1 || got[1].Assigned[0].Canary != 20 {
		t.Errorf("weights %v and %v, assigned %+v", got[0].Weight, got[1].Weight, got[1].Assigned)
	}
}

// TestWeightChangesWithinABlock: such a block compares nothing.
func TestWeightChangesWithinABlock(t *testing.T) {
	f := &fake{series: map[string][]fakeSeries{
		`r{v="1"}`: {one("", 0, 0, 10, 20, 30, 40)},
		`w{v="1"}`: {one("weight=0.05", 0, 0, 95, 95, 95), one("weight=0.1", 10, 0, 90, 180)},
	}}
	got := read(t, f, shares, func(o *Options) { o.Assigned = "w" })
	if len(got[0].Assigned) != 2 || len(got[0].Metrics) != 0 || got[0].Weight != .1 {
		t.Errorf("%+v, want both shares and no counts", got[0])
	}
	if got[1].Metrics["errors"].Stable.N != 20 {
		t.Errorf("the next block: %+v", got[1])
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		fake   fake
		want   string
	}{
		"no block":       {func(o *Options) { o.Block = 0 }, fake{}, "must be above 0"},
		"backwards":      {func(o *Options) { o.To = at(-1) }, fake{}, "before it begins"},
		"too many":       {func(o *Options) { o.Block = time.Microsecond }, fake{}, "more than 1000000 blocks"},
		"same arms":      {func(o *Options) { o.Canary = o.Stable }, fake{}, "matched alike"},
		"no weight":      {func(o *Options) { o.Weight = 0 }, fake{}, "which share of the traffic"},
		"no series":      {func(o *Options) { o.Series = nil }, fake{}, "which series count its total? A metric of kind errorRate needs the parts total, bad"},
		"unknown part":   {func(o *Options) { o.Series["errors"]["worse"] = "x" }, fake{}, `"worse" is no part`},
		"server's no":    {func(*Options) {}, fake{failure: "parse error: unexpected x"}, "unexpected x"},
		"no such server": {func(o *Options) { o.Address = "http://127.0.0.1:1" }, fake{}, "does not answer r{v=\"1\"}[300000ms]: dial tcp"},
		"bad address":    {func(o *Options) { o.Address = "http://%zz" }, fake{}, "the address of Prometheus"},
	} {
		server := httptest.NewServer(&c.fake)
		o := wanted(server.URL)
		c.change(&o)
		err := Read(t.Context(), shares, o, func(Block) error { return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		server.Close()
	}
	stop := errors.New("enough")
	server := httptest.NewServer(&fake{})
	defer server.Close()
	if err := Read(t.Context(), shares, wanted(server.URL), func(Block) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("take's error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Read(ctx, shares, wanted(server.URL), func(Block) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSelectors(t *testing.T) {
	for in, want := range map[string]string{
		`r`: `r{a="b",c="d"}`, `r{}`: `r{a="b",c="d"}`, `r{x="y"}`: `r{x="y",a="b",c="d"}`,
		`r{x="y",} `: `r{x="y",a="b",c="d"}`, `{__name__="r"}`: `{__name__="r",a="b",c="d"}`,
	} {
		if got := with(in, `a="b"`, "", `c="d"`); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := with("r", ""); got != "r" {
		t.Errorf("no matcher: %s", got)
	}
	for in, want := range map[string]float64{
		"a_seconds_bucket": 1, `a_milliseconds_bucket{x="y_us"}`: 1e-3, "a_ms_bucket": 1e-3, "ts_latency_microseconds": 1e-6, "a_us_bucket": 1e-6,
	} {
		if got := unit(in); got != want {
			t.Errorf("unit of %s: %v, want %v", in, got, want)
		}
	}
}

// TestPresetsAreComplete: every kind that a preset knows has all its parts.
func TestPresetsAreComplete(t *testing.T) {
	for _, p := range Presets() {
		for kind, s := range p.Kinds {
			if err := s.complete(analysis.Metric{Name: p.Name, Kind: kind.Kind, Upper: 1}); err != nil {
				t.Error(err)
			}
		}
	}
}
