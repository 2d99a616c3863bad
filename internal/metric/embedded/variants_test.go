package embedded

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestVariantsAreComparedWithStable: each further arm has a sample of its own beside
// stable, with the share of what went to either, and the groups of users of either.
func TestVariantsAreComparedWithStable(t *testing.T) {
	slots := strings.Repeat("1", 20) + strings.Repeat("2", 30) + strings.Repeat("0", 50)
	split := &traffic.Split{Generation: 1, Canary: 2000, Slots: slots, Variants: []traffic.Variant{{Name: "large"}}}
	r := telemetry.New(telemetry.Options{Arms: 3, Sticky: true})
	s := New(r, nil, "large")
	q := metric.Query{Rollout: "ab", Revision: "v2", Slots: slots, Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}}}
	collect := func(after string) analysis.Sample {
		x, err := s.Collect(t.Context(), q, metric.Window{After: after, Start: start, End: start.Add(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	cursor := collect("").Cursor
	for arm, n := range map[traffic.Arm]int{traffic.Stable: 5, traffic.Canary: 2, 2: 3} {
		bucket := uint16(strings.IndexByte(slots, '0'+byte(arm)) * 100)
		for i := range n {
			c := traffic.Choice{Arm: arm, Keyed: true, Bucket: bucket, KeyHash: uint64(arm)<<60 + uint64(i)<<50}
			r.Assign(c, split)
			r.Observe(&telemetry.Exchange{Arm: arm, Generation: 1, Keyed: true, Bucket: bucket, Latency: time.Millisecond, Failed: arm == 2 && i == 0})
		}
	}
	x := collect(cursor)
	if d := cmp.Diff([]analysis.Assignment{{Weight: 2. / 7, Stable: 5, Canary: 2}}, x.Assigned); d != "" {
		t.Errorf("assigned to stable and canary (-want +got):\n%s", d)
	}
	if len(x.Variants) != 1 {
		t.Fatalf("%d variants", len(x.Variants))
	}
	v := x.Variants[0]
	if d := cmp.Diff([]analysis.Assignment{{Weight: 3. / 8, Stable: 5, Canary: 3}}, v.Assigned); d != "" {
		t.Errorf("assigned to stable and large (-want +got):\n%s", d)
	}
	m := v.Metrics["errors"]
	if m.Canary.N != 3 || m.Canary.K != 1 || m.Stable.N != 5 {
		t.Errorf("errors %+v", m)
	}
	// Its thirty groups come first, then the fifty of stable.
	if g := m.Canary.Groups; len(g) != 80 || g[0] != (analysis.Group{N: 3, K: 1}) {
		t.Errorf("groups of large: %d, the first %+v", len(g), g[0])
	}
	if g := m.Stable.Groups; len(g) != 80 || g[30].N != 5 {
		t.Errorf("groups of stable: %d", len(g))
	}
	if arms := s.Block(x.Cursor); arms["large"].Requests != 3 || arms["large"].Errors != 1 {
		t.Errorf("drawn as %+v", arms)
	}
	if totals := s.Totals(); totals["large"].Requests != 3 || totals["stable"].Requests != 5 {
		t.Errorf("totals %+v", totals)
	}
}
