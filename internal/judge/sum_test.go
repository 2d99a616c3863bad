package judge

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/haldane-dev/haldane/internal/analysis"
)

func TestSum(t *testing.T) {
	// A second rollout, a later class, and a block that says how long it was.
	text := example + "\n" +
		strings.NewReplacer(`"t":15`, `"t":45,"seconds":10`, `["no","yes"]`, `["no","yes","maybe"]`, `[1040,385]`, `[1,2,3]`, `[55,20]`, `[0,0,9]`).Replace(example) +
		"\n\n" + strings.NewReplacer(`"r1"`, `"r2"`, `["no","yes"]`, `["no","yes","maybe"]`, `[1040,385]`, `[4,5,6]`, `[55,20]`, `[7,0,0]`).Replace(example)
	got, err := Sum(t.Context(), "record", strings.NewReader(text), everyKind())
	if err != nil {
		t.Fatal(err)
	}
	want := Totals{Seconds: 15 + 10 + 15, Metrics: map[string]analysis.Measure{
		"errors": {Stable: analysis.Counts{N: 4275, K: 42}, Canary: analysis.Counts{N: 225, K: 3}},
		"latency": {Edges: []float64{.05, .1, .2}, Stable: analysis.Counts{Counts: []int64{2700, 1200, 300, 75}},
			Canary: analysis.Counts{Counts: []int64{141, 63, 15, 6}}},
		"answers":    {Bins: []string{"no", "yes", "maybe"}, Stable: analysis.Counts{Counts: []int64{1045, 392, 9}}, Canary: analysis.Counts{Counts: []int64{62, 20, 9}}},
		"confidence": {Stable: analysis.Counts{N: 4275, Sum: 3330.6, SumSq: 2715.3}, Canary: analysis.Counts{N: 225, Sum: 175.2, SumSq: 141.6}},
		"agreement":  {Pairs: 4275, Disagree: 36, CanaryOnlyBad: 9, StableOnlyBad: 6},
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("sum (-want +got):\n%s", diff)
	}
}

func TestSumRefuses(t *testing.T) {
	second := strings.Replace(example, `"t":15`, `"t":30`, 1)
	for want, text := range map[string]string{
		"record:2: t: is 15, not after the 15":                   example + "\n" + example,
		"record:2: metrics.latency.edges: are not those of":      example + "\n" + strings.Replace(second, "0.2]", "0.3]", 1),
		"record:2: metrics.answers.bins: are not those of":       example + "\n" + strings.Replace(second, `"no","yes"`, `"yes","no"`, 1),
		"record:1: metrics.errors.stable.n: is -1: counts are f": strings.Replace(example, `"n":1425`, `"n":-1`, 1),
	} {
		_, err := Sum(t.Context(), "record", strings.NewReader(text), everyKind())
		var l *LineError
		if !errors.As(err, &l) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := Sum(t.Context(), "record", &failing{errors.New("gone")}, everyKind()); err == nil || !strings.Contains(err.Error(), "read record: gone") {
		t.Errorf("a broken reader: %v", err)
	}
}
