package judge

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// errorsOnly is a plan that compares failures within half a point.
func errorsOnly() rollout.Plan {
	return planOf(analysis.Metric{Name: "errors", Kind: analysis.ErrorRate, MaxIncrease: .005, Tolerate: .5})
}

// everyKind compares one metric of each kind.
func everyKind() rollout.Plan {
	return planOf(
		analysis.Metric{Name: "errors", Kind: analysis.ErrorRate, MaxRatio: 1.25, MaxIncrease: .001, Tolerate: .5},
		analysis.Metric{Name: "latency", Kind: analysis.Latency, Tolerate: .5,
			Slower: []analysis.Slower{{Quantile: .5, Share: .1}}, Over: []analysis.Over{{Threshold: 100 * time.Millisecond, MaxIncrease: .02}}},
		analysis.Metric{Name: "answers", Kind: analysis.Drift, Max: .05, Tolerate: 1},
		analysis.Metric{Name: "confidence", Kind: analysis.Mean, Upper: 1, MaxDecrease: .02, Tolerate: .5},
		analysis.Metric{Name: "agreement", Kind: analysis.Pairs, Max: .02, Tolerate: 1},
	)
}

func planOf(metrics ...analysis.Metric) rollout.Plan {
	return rollout.Plan{
		Name:  "test",
		Steps: []rollout.Step{{Weight: traffic.Percent(5)}, {Weight: traffic.Percent(50)}, {Weight: traffic.Percent(100)}},
		Analysis: analysis.Config{
			FalseRollback: .01, FalsePromotion: .05, MaxDuration: time.Hour,
			Interval: 15 * time.Second, Dispersion: true, SRM: .001, Metrics: metrics,
		},
	}
}

// example is the block that the documentation shows.
const example = `{"rollout":"r1","t":15,"weight":5,"metrics":{"errors":{"stable":{"n":1425,"k":14},"canary":{"n":75,"k":1}},` +
	`"latency":{"edges":[0.05,0.1,0.2],"stable":{"counts":[900,400,100,25]},"canary":{"counts":[47,21,5,2]}},` +
	`"answers":{"bins":["no","yes"],"stable":{"counts":[1040,385]},"canary":{"counts":[55,20]}},` +
	`"confidence":{"stable":{"n":1425,"sum":1110.2,"sumsq":905.1},"canary":{"n":75,"sum":58.4,"sumsq":47.2}},` +
	`"agreement":{"pairs":1425,"disagree":12,"canaryOnlyBad":3,"stableOnlyBad":2}}}`

// stream draws the record of one rollout: 100 requests a second in blocks of 15
// seconds. It depends on the seed alone.
type stream struct {
	id             string
	r              *rand.Rand
	stable, canary float64 // shares of failures
	weight         float64 // percent
	block          int
}

func newStream(id string, seed uint64, stable, canary float64) *stream {
	return &stream{id: id, r: rand.New(rand.NewPCG(seed, 7)), stable: stable, canary: canary, weight: 5}
}

// failures writes a block of failures alone.
func (s *stream) failures(w io.Writer) {
	s.block++
	nB, nC := s.sizes()
	fmt.Fprintf(w, `{"rollout":%q,"t":%d,"weight":%g,"metrics":{"errors":{"stable":{"n":%d,"k":%d},"canary":{"n":%d,"k":%d}}}}`+"\n",
		s.id, 15*s.block, s.weight, nB, s.hits(nB, s.stable), nC, s.hits(nC, s.canary))
}

// all writes a block of every kind.
func (s *stream) all(w io.Writer) {
	s.block++
	nB, nC := s.sizes()
	buckets := func(n int) string {
		a, b, c := n*6/10, n*3/10, n*8/100
		return fmt.Sprintf("[%d,%d,%d,%d]", a, b, c, n-a-b-c)
	}
	answers := func(n int) string { k := s.hits(n, .27); return fmt.Sprintf("[%d,%d]", n-k, k) }
	score := func(n int) string {
		v := float64(n)
		return fmt.Sprintf(`{"n":%d,"sum":%.3f,"sumsq":%.3f}`, n, .78*v, .65*v)
	}
	fmt.Fprintf(w, `{"rollout":%q,"t":%d,"weight":%g,"metrics":{"errors":{"stable":{"n":%d,"k":%d},"canary":{"n":%d,"k":%d}},`+
		`"latency":{"edges":[0.05,0.1,0.2],"stable":{"counts":%s},"canary":{"counts":%s}},`+
		`"answers":{"bins":["no","yes"],"stable":{"counts":%s},"canary":{"counts":%s}},`+
		`"confidence":{"stable":%s,"canary":%s},`+
		`"agreement":{"pairs":%d,"disagree":%d,"canaryOnlyBad":3,"stableOnlyBad":2}}}`+"\n",
		s.id, 15*s.block, s.weight, nB, s.hits(nB, s.stable), nC, s.hits(nC, s.canary),
		buckets(nB), buckets(nC), answers(nB), answers(nC), score(nB), score(nC), nB, s.hits(nB, .008))
}

func (s *stream) sizes() (stable, canary int) {
	w := s.weight / 100
	draw := func(mean float64) int {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*s.r.NormFloat64())))
	}
	return draw(1500 * (1 - w)), draw(1500 * w)
}

func (s *stream) hits(n int, p float64) int {
	k := 0
	for at := 0.; p > 0; k++ {
		at += 1 + math.Floor(math.Log(1-s.r.Float64())/math.Log1p(-p))
		if at > float64(n) {
			break
		}
	}
	return k
}

// record writes blocks of one rollout.
func record(s *stream, blocks int) []byte {
	var out bytes.Buffer
	for range blocks {
		s.failures(&out)
	}
	return out.Bytes()
}

// judged returns the results on a record.
func judged(t testing.TB, text []byte, o Options) []Result {
	t.Helper()
	var out []Result
	if _, err := File(t.Context(), "record", bytes.NewReader(text), o, func(r Result) error {
		out = append(out, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// refused returns the error that a record gives, and fails if anything was
// emitted.
func refused(t testing.TB, text string, o Options) error {
	t.Helper()
	_, err := File(t.Context(), "record", bytes.NewReader([]byte(text)), o, func(r Result) error {
		t.Errorf("emitted %v of a bad record", r)
		return nil
	})
	if err == nil {
		t.Fatalf("no error for %s", text)
	}
	return err
}
