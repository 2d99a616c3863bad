package churn

import (
	"math"
	"testing"
)

func evaluation(t *testing.T, variant string) Evaluation {
	t.Helper()
	e, err := Evaluate(model(t, variant), held(t))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Each variant has the fault it is named for, and not the others' faults:
// these are the claims the demonstration rests on.
func TestVariantsOnHeldOut(t *testing.T) {
	v1, good, wrong := evaluation(t, "v1"), evaluation(t, "good"), evaluation(t, "wrong")
	failing, drift, slow := evaluation(t, "errors"), evaluation(t, "drift"), evaluation(t, "slow")
	for _, claim := range []struct {
		text string
		ok   bool
	}{
		{"v1 is a believable first version", 0.77 <= v1.Accuracy && v1.Accuracy <= 0.79},
		{"good is more accurate than v1 by 3 points", good.Accuracy >= v1.Accuracy+0.03},
		{"good has the lower log-loss", good.LogLoss <= v1.LogLoss-0.04},
		{"good has the higher AUC", good.AUC >= v1.AUC+0.04},
		{"good answers yes as often as v1, to a point", math.Abs(good.YesShare-v1.YesShare) <= 0.01},
		{"good never fails", good.ErrorShare == 0},
		{"wrong is less accurate than v1 by 15 points", wrong.Accuracy <= v1.Accuracy-0.15},
		{"wrong answers yes as often as v1, to two points", math.Abs(wrong.YesShare-v1.YesShare) <= 0.02},
		{"wrong never fails", wrong.ErrorShare == 0},
		{"errors fails on 3 to 8%", 0.03 <= failing.ErrorShare && failing.ErrorShare <= 0.08},
		{"errors is more accurate than v1 where it answers", failing.Accuracy > v1.Accuracy},
		{"errors answers yes as often as v1, to two points", math.Abs(failing.YesShare-v1.YesShare) <= 0.02},
		{"drift answers yes at least 45% of the time", drift.YesShare >= 0.45},
		{"v1 answers yes 20 to 25% of the time", 0.20 <= v1.YesShare && v1.YesShare <= 0.25},
		{"drift never fails", drift.ErrorShare == 0},
		{"drift still ranks customers like good", math.Abs(drift.AUC-good.AUC) <= 0.01},
		{"slow answers as v1", slow == v1},
	} {
		if !claim.ok {
			t.Errorf("not so: %s", claim.text)
		}
	}
	if t.Failed() {
		t.Logf("v1 %+v\ngood %+v\nwrong %+v\nerrors %+v\ndrift %+v\nslow %+v", v1, good, wrong, failing, drift, slow)
	}
}

// Four customers whose probabilities are known: 10 months of tenure give z = 0.
func TestEvaluateByHand(t *testing.T) {
	m, err := New(Parameters{
		Terms:       []Term{{Column: "tenure", Mean: 10, Scale: 1, Coefficient: 1}},
		YearOffsets: []float64{0, 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	customer := func(tenure float64, churned bool) Customer {
		f := someone()
		f[4] = tenure
		return Customer{Features: f, Churned: churned}
	}
	got, err := Evaluate(m, []Customer{
		customer(10, true), // p = ½, "yes", right
		customer(10, false),
		customer(8, false), // p = 1/(1+e²), "no", right
		customer(24, true), // fails
	})
	if err != nil {
		t.Fatal(err)
	}
	low := 1 / (1 + math.Exp(2))
	want := Evaluation{
		Customers: 4, Accuracy: 2.0 / 3, YesShare: 2.0 / 3, ErrorShare: 0.25,
		LogLoss:    (2*math.Ln2 - math.Log(1-low)) / 3,
		AUC:        0.75, // one pair tied, one in order
		Confidence: (0.5 + 0.5 + 1 - low) / 3,
	}
	for _, pair := range [][2]float64{
		{got.Accuracy, want.Accuracy}, {got.LogLoss, want.LogLoss}, {got.AUC, want.AUC},
		{got.YesShare, want.YesShare}, {got.Confidence, want.Confidence}, {got.ErrorShare, want.ErrorShare},
		{float64(got.Customers), float64(want.Customers)},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-12 {
			t.Errorf("got %+v\nwant %+v", got, want)
			break
		}
	}
}

func TestEvaluateNeedsBothClasses(t *testing.T) {
	var stayed []Customer
	for _, c := range held(t) {
		if !c.Churned {
			stayed = append(stayed, c)
		}
	}
	if _, err := Evaluate(model(t, "v1"), stayed); err == nil {
		t.Error("customers of one class were evaluated")
	}
}
