package traffic

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		in   float64
		want Weight
	}{
		{0, 0}, {5, 500}, {0.01, 1}, {0.004, 0}, {0.005, 1}, {99.99, 9999}, {100, Full}, {33.333, 3333},
		{-1, 0}, {101, Full}, {1e300, Full}, {math.Inf(1), Full}, {math.Inf(-1), 0}, {math.NaN(), 0},
	} {
		if got := Percent(tt.in); got != tt.want {
			t.Errorf("Percent(%v) = %d, want %d", tt.in, got, tt.want)
		}
	}
}

func TestWeightText(t *testing.T) {
	for w, want := range map[Weight]string{0: "0%", 1: "0.01%", 50: "0.5%", 500: "5%", 2550: "25.5%", Full: "100%"} {
		if got := w.String(); got != want {
			t.Errorf("Weight(%d) reads %q, want %q", int(w), got, want)
		}
	}
	if got := Weight(2500).Share(); got != 0.25 {
		t.Errorf("share of 25%% is %v", got)
	}
}

func TestPercentInvertsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Weight(rapid.IntRange(0, int(Full)).Draw(t, "weight"))
		if got := Percent(w.Share() * 100); got != w {
			t.Fatalf("%d came back as %d", w, got)
		}
	})
}

func TestArmText(t *testing.T) {
	for _, arm := range []Arm{Stable, Canary} {
		text, err := arm.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Arm
		if err := back.UnmarshalText(text); err != nil || back != arm {
			t.Errorf("%s came back as %s, %v", arm, back, err)
		}
	}
	var a Arm
	if err := a.UnmarshalText([]byte("primary")); err == nil {
		t.Error("an unknown arm was read")
	}
}

func TestSplitSurvivesJSON(t *testing.T) {
	want := Split{
		Generation: 7, Canary: 250, Mirror: 100, Salt: "churn", Sticky: Sticky{Header: "X-User"}, Open: true,
		Always: []Match{{Header: &Field{Name: "x-canary", Exact: "true"}}, {Country: []string{"NL"}}},
		Never:  []Match{{Cookie: &Field{Name: "vip", Prefix: "g"}}, {Cohort: "staff"}},
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Split
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("through JSON (-want +got):\n%s", diff)
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		by   Compare
		a, b float64
		want bool
	}{
		{Compare{}, 0.5, 0.505, true}, {Compare{}, 0.5, 0.52, false},
		{Compare{}, 1000, 1009, true}, {Compare{}, 1000, 1020, false},
		{Compare{Tolerance: 0.5}, 1000, 1000.5, true}, {Compare{Tolerance: 0.5}, 1000, 1001, false},
		{Compare{Relative: 0.1}, -10, -9, true}, {Compare{Relative: 0.1}, 0, 0.001, false},
		{Compare{Tolerance: 1}, math.NaN(), math.NaN(), false}, {Compare{Tolerance: 1}, math.Inf(1), 1, false},
	} {
		if got := tt.by.Near(tt.a, tt.b); got != tt.want || tt.by.Near(tt.b, tt.a) != got {
			t.Errorf("%+v: %v near %v is %v, want %v both ways", tt.by, tt.a, tt.b, got, tt.want)
		}
	}
	for _, tt := range []struct {
		by             Compare
		stable, canary time.Duration
		want           bool
	}{
		{Compare{}, 100, 125, false}, {Compare{}, 100, 126, true}, {Compare{}, 100, 1, false},
		{Compare{SlowerBy: 10}, 100, 110, false}, {Compare{SlowerBy: 10}, 100, 111, true},
		{Compare{SlowerShare: .1, SlowerBy: 5}, 100, 115, false}, {Compare{SlowerShare: .1, SlowerBy: 5}, 100, 116, true},
	} {
		if got := tt.by.Slower(tt.stable, tt.canary); got != tt.want {
			t.Errorf("%+v: %d after %d is slower: %v, want %v", tt.by, tt.canary, tt.stable, got, tt.want)
		}
	}
}

func TestCarries(t *testing.T) {
	s := Split{Generation: 3, Canary: 500, Mirror: 100}
	full := Observed{Level: Accepted, Generation: 3, Canary: 500, Mirror: 100}
	for name, tt := range map[string]struct {
		change func(*Observed)
		want   bool
	}{
		"accepted":         {func(*Observed) {}, true},
		"flowing":          {func(o *Observed) { o.Level = Flowing }, true},
		"only written":     {func(o *Observed) { o.Level = Written }, false},
		"unknown":          {func(o *Observed) { o.Level = Unknown }, false},
		"no level":         {func(o *Observed) { o.Level = "" }, false},
		"older generation": {func(o *Observed) { o.Generation = 2 }, false},
		"other weight":     {func(o *Observed) { o.Canary = 501 }, false},
		"other mirror":     {func(o *Observed) { o.Mirror = 0 }, false},
	} {
		o := full
		tt.change(&o)
		if got := o.Carries(s); got != tt.want {
			t.Errorf("%s: Carries = %v, want %v", name, got, tt.want)
		}
	}
}
