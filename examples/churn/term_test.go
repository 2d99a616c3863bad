package churn

import (
	"math"
	"strings"
	"testing"
)

// someone is a customer of 10 months with fibre, monthly 80 dollars, no total.
func someone() Features {
	var f Features
	f[4], f[7], f[14], f[17], f[18] = 10, 1, 0, 80, math.NaN()
	return f
}

func TestTermRaw(t *testing.T) {
	six, twelve, zero := 6.0, 12.0, 0.0
	fibre := &Condition{Column: "internet_service", Level: "Fiber optic"}
	dsl := &Condition{Column: "internet_service", Level: "DSL"}
	for _, test := range []struct {
		term Term
		name string
		want float64
	}{
		{Term{Column: "tenure"}, "tenure", 10},
		{Term{Column: "tenure", Above: &six}, "tenure>6", 4},
		{Term{Column: "tenure", Above: &twelve}, "tenure>12", 0},
		{Term{Column: "tenure", Above: &zero}, "tenure>0", 10},
		{Term{Column: "contract", Level: "Month-to-month"}, "contract=Month-to-month", 1},
		{Term{Column: "contract", Level: "Two year"}, "contract=Two year", 0},
		{Term{Column: "total_charges"}, "total_charges", 0},
		{Term{Column: "tenure", When: fibre}, "tenure when internet_service=Fiber optic", 10},
		{Term{Column: "tenure", When: dsl}, "tenure when internet_service=DSL", 0},
	} {
		got, err := test.term.Raw(someone())
		if err != nil || got != test.want {
			t.Errorf("%s: raw value %v, %v; want %v", test.name, got, err, test.want)
		}
		if name := test.term.String(); name != test.name {
			t.Errorf("name %q, want %q", name, test.name)
		}
	}
}

func TestTermRefuses(t *testing.T) {
	six := 6.0
	for _, test := range []struct {
		term Term
		want string
	}{
		{Term{Column: "age"}, `no column is named "age"`},
		{Term{Column: "contract"}, `contract is ""`},
		{Term{Column: "contract", Level: "Weekly"}, `"Weekly"`},
		{Term{Column: "contract", Above: &six}, "no knots"},
		{Term{Column: "tenure", Level: "long"}, "no levels"},
		{Term{Column: "tenure", When: &Condition{Column: "age"}}, `no column is named "age"`},
		{Term{Column: "tenure", When: &Condition{Column: "contract", Level: "Weekly"}}, `"Weekly"`},
	} {
		if _, err := test.term.Raw(someone()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error %v, want one with %q", test.term, err, test.want)
		}
	}
}
