package churn

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func model(t testing.TB, variant string) *Model {
	t.Helper()
	m, err := Load(variant)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestVariants(t *testing.T) {
	want := []string{"drift", "errors", "good", "slow", "v1", "wrong"}
	if diff := cmp.Diff(want, Variants()); diff != "" {
		t.Errorf("Variants (-want +got):\n%s", diff)
	}
	for _, v := range Variants() {
		if m := model(t, v); m.Version() != v {
			t.Errorf("file %s holds version %q", v, m.Version())
		}
	}
	if _, err := Load("best"); err == nil || !strings.Contains(err.Error(), "drift, errors, good") {
		t.Errorf("Load(best): error %v, want one that lists the models", err)
	}
}

// Two terms by hand: z = −1 + 0.5·(10−6)/2 + 2·(1−0.5)/0.25 = 4.
func TestPredictByHand(t *testing.T) {
	terms := []Term{
		{Column: "tenure", Mean: 6, Scale: 2, Coefficient: 0.5},
		{Column: "contract", Level: "Month-to-month", Mean: 0.5, Scale: 0.25, Coefficient: 2},
	}
	for _, test := range []struct {
		name string
		p    Parameters
		z    float64
	}{
		{"plain", Parameters{Intercept: -1, Terms: terms}, 4},
		{"other coefficient", Parameters{Intercept: -6, Terms: terms}, -1},
		{"recalibrated", Parameters{Intercept: -1, Terms: terms, YearOffsets: []float64{-7}}, -3},
	} {
		m, err := New(test.p)
		if err != nil {
			t.Fatal(err)
		}
		label, p, err := m.Predict(Customer{Features: someone()})
		if err != nil {
			t.Fatal(err)
		}
		want := 1 / (1 + math.Exp(-math.Abs(test.z))) // of the answer given
		if math.Abs(p-want) > 1e-12 || label != class(test.z >= 0) {
			t.Errorf("%s: %s with %v, want %s with %v", test.name, label, p, class(test.z >= 0), want)
		}
	}
}

// Swapping changes the answer when the two entries differ.
func TestSwapMatters(t *testing.T) {
	terms := []Term{
		{Column: "tenure", Scale: 1, Coefficient: 1},
		{Column: "monthly_charges", Scale: 1, Coefficient: 10},
		{Column: "female", Scale: 1, Coefficient: 1},
	}
	m, err := New(Parameters{Terms: terms, Swapped: []string{"monthly_charges", "tenure"}})
	if err != nil {
		t.Fatal(err)
	}
	f := someone()
	if got, want := m.score(&f), 80.0+10*10; got != want {
		t.Errorf("score %v, want %v", got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	tenure := Term{Column: "tenure", Scale: 1}
	for name, test := range map[string]struct {
		p    Parameters
		want string
	}{
		"unknown column": {Parameters{Terms: []Term{{Column: "age", Scale: 1}}}, `"age"`},
		"no scale":       {Parameters{Terms: []Term{{Column: "tenure"}}}, "scale 0"},
		"NaN scale":      {Parameters{Terms: []Term{{Column: "tenure", Scale: math.NaN()}}}, "scale NaN"},
		"twice":          {Parameters{Terms: []Term{tenure, tenure}}, "twice"},
		"one swapped":    {Parameters{Terms: []Term{tenure}, Swapped: []string{"tenure"}}, "1 terms are swapped"},
		"swapped absent": {Parameters{Terms: []Term{tenure}, Swapped: []string{"tenure", "female"}}, `"female"`},
		"negative wait":  {Parameters{FeatureStore: &FeatureStore{MinMS: -1}}, "no range"},
		"empty wait":     {Parameters{FeatureStore: &FeatureStore{MinMS: 2, MaxMS: 1}}, "no range"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(test.p); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// errors fails on exactly the customers past the end of its table.
func TestErrorsFailsBeyondItsTable(t *testing.T) {
	m := model(t, "errors")
	for _, c := range all(t) {
		tenure, _ := c.Features.Number("tenure")
		_, _, err := m.Predict(c)
		if failed := errors.Is(err, ErrNoYear); failed != (tenure >= 72) {
			t.Fatalf("%s with %v months: error %v", c.ID, tenure, err)
		}
	}
}

// Only slow waits, and between the limits it names.
func TestWait(t *testing.T) {
	for _, v := range Variants() {
		m := model(t, v)
		shortest, longest := m.wait(0), m.wait(1)
		if v == "slow" {
			if shortest != 40*time.Millisecond || longest != 60*time.Millisecond {
				t.Errorf("slow waits %v to %v, want 40ms to 60ms", shortest, longest)
			}
		} else if longest != 0 {
			t.Errorf("%s waits %v", v, longest)
		}
	}
}

// slow and wrong share the parameters of the models they derive from.
func TestDerivedParameters(t *testing.T) {
	for derived, from := range map[string]string{"slow": "v1", "wrong": "good", "errors": "good"} {
		a, b := model(t, derived).Parameters(), model(t, from).Parameters()
		if diff := cmp.Diff(b.Terms, a.Terms); diff != "" || a.Intercept != b.Intercept {
			t.Errorf("%s differs from %s:\n%s", derived, from, diff)
		}
	}
}

func TestPredictDoesNotAllocate(t *testing.T) {
	m := model(t, "good")
	c := held(t)[0]
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := m.Predict(c); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Predict allocates %v times", n)
	}
}

func BenchmarkPredict(b *testing.B) {
	m, customers := model(b, "good"), held(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, err := m.Predict(customers[i%len(customers)]); err != nil {
			b.Fatal(err)
		}
	}
}
