package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/haldane-dev/haldane/examples/churn"
)

// trained fits the models once for all tests.
var trained = sync.OnceValues(func() ([]churn.Parameters, error) {
	customers, err := churn.Training()
	if err != nil {
		return nil, err
	}
	return trainAll(customers)
})

func retrained(t *testing.T) []churn.Parameters {
	t.Helper()
	models, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	return models
}

// The committed models are what training gives. Rounding may differ by one in
// the last digit on a machine that adds in another order.
func TestCommittedModelsAreTheTrainedOnes(t *testing.T) {
	models := retrained(t)
	if got, want := len(models), len(churn.Variants()); got != want {
		t.Errorf("%d models are trained, %d are committed", got, want)
	}
	lastDigit := cmpopts.EquateApprox(0, 2*math.Pow(10, -digits))
	for _, p := range models {
		committed, err := churn.Load(p.Version)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, committed.Parameters(), lastDigit); diff != "" {
			t.Errorf("%s (-trained +committed); run go run ./examples/churn/train:\n%s", p.Version, diff)
		}
	}
}

// Training twice gives the same bytes.
func TestTrainingIsDeterministic(t *testing.T) {
	customers, err := churn.Training()
	if err != nil {
		t.Fatal(err)
	}
	again, err := trainAll(customers)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range retrained(t) {
		first, err := encode(p)
		if err != nil {
			t.Fatal(err)
		}
		second, err := encode(again[i])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s: two trainings gave different files", p.Version)
		}
	}
}

// The tables people read are the measured ones, to the letter.
func TestTablesAreMeasured(t *testing.T) {
	var committed []churn.Parameters
	for _, p := range retrained(t) { // in the order of the table
		m, err := churn.Load(p.Version)
		if err != nil {
			t.Fatal(err)
		}
		committed = append(committed, m.Parameters())
	}
	table, err := measure(committed)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../models/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(readme(table)), string(got)); diff != "" {
		t.Errorf("models/README.md (-measured +committed):\n%s", diff)
	}
	example, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(example), table) {
		t.Errorf("README.md of the example does not hold the measured table:\n%s", table)
	}
}

// The command writes what the program embeds, and prints the table.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run(dir, &out); err != nil {
		t.Fatal(err)
	}
	for _, variant := range churn.Variants() {
		if _, err := os.Stat(filepath.Join(dir, variant+".json")); err != nil {
			t.Errorf("model %s was not written: %v", variant, err)
		}
		if !strings.Contains(out.String(), "| `"+variant+"` |") {
			t.Errorf("model %s is not in the table:\n%s", variant, &out)
		}
	}
	if err := run(filepath.Join(dir, "absent"), &out); err == nil {
		t.Error("wrote models into a folder that is not there")
	}
}

// What the columns of a design are centred and scaled by is kept in the terms.
func TestDesignMatrix(t *testing.T) {
	customers, err := churn.Training()
	if err != nil {
		t.Fatal(err)
	}
	terms := firstTerms()
	x, err := designMatrix(customers, terms)
	if err != nil {
		t.Fatal(err)
	}
	n := float64(len(customers))
	for j := 1; j <= len(terms); j++ {
		sum, squares := 0.0, 0.0
		for i := range customers {
			sum += x.At(i, j)
			squares += x.At(i, j) * x.At(i, j)
		}
		if math.Abs(sum/n) > 1e-4 || math.Abs(squares/n-1) > 1e-4 {
			t.Errorf("column %d has mean %v and variance %v, want 0 and 1", j, sum/n, squares/n)
		}
	}
	if _, err := designMatrix(customers[:1], firstTerms()); err == nil {
		t.Error("one customer made a design, where every column is constant")
	}
	if _, err := designMatrix(customers, number("age")); err == nil {
		t.Error("a design was made of a column that is not there")
	}
}

// Recalibration makes the mean prediction of each year the observed share, to
// what one shift of the log-odds can do.
func TestYearOffsets(t *testing.T) {
	customers, err := churn.Training()
	if err != nil {
		t.Fatal(err)
	}
	// A model that says one half to everybody is off by the year's log-odds.
	offsets, err := yearOffsets(customers, churn.Parameters{})
	if err != nil {
		t.Fatal(err)
	}
	if len(offsets) != tableYears {
		t.Fatalf("%d years, want %d", len(offsets), tableYears)
	}
	left, n := 0.0, 0.0
	for _, c := range customers {
		if tenure, _ := c.Features.Number("tenure"); tenure < 12 {
			n++
			if c.Churned {
				left++
			}
		}
	}
	if want := math.Log(left / (n - left)); math.Abs(offsets[0]-want) > 1e-6 {
		t.Errorf("first year %v, want %v", offsets[0], want)
	}
	if !(offsets[0] > offsets[tableYears-1]) {
		t.Errorf("offsets %v: the first year leaves less than the last", offsets)
	}
}

func TestBalancedWeight(t *testing.T) {
	customers := make([]churn.Customer, 8)
	customers[0].Churned, customers[5].Churned = true, true
	if got := balancedWeight(customers); got != 3 {
		t.Errorf("weight %v for 2 of 8, want 3", got)
	}
}
