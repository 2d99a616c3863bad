package churn

import (
	"bytes"
	"compress/gzip"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// all returns every customer or ends the test.
func all(t testing.TB) []Customer {
	t.Helper()
	customers, err := All()
	if err != nil {
		t.Fatal(err)
	}
	return customers
}

// held returns the held-out customers or ends the test.
func held(t testing.TB) []Customer {
	t.Helper()
	customers, err := HeldOut()
	if err != nil {
		t.Fatal(err)
	}
	return customers
}

// The counts are those published with the data set.
func TestDataCounts(t *testing.T) {
	churned, blank := 0, 0
	for _, c := range all(t) {
		if c.Churned {
			churned++
		}
		total, err := c.Features.Number("total_charges")
		if err != nil {
			t.Fatal(err)
		}
		if math.IsNaN(total) {
			blank++
			if tenure, _ := c.Features.Number("tenure"); tenure != 0 {
				t.Errorf("%s has no total charges after %v months", c.ID, tenure)
			}
		}
	}
	if n := len(all(t)); n != 7043 || churned != 1869 || blank != 11 {
		t.Errorf("%d customers, %d churned, %d without total charges; want 7043, 1869, 11", n, churned, blank)
	}
}

func TestFirstCustomer(t *testing.T) {
	c := all(t)[0]
	if c.ID != "customer-0001" || c.Row != 1 || c.Churned || c.Label() != "no" {
		t.Errorf("got %s, row %d, churned %t, label %s", c.ID, c.Row, c.Churned, c.Label())
	}
	for name, want := range map[string]float64{"female": 1, "tenure": 1, "monthly_charges": 29.85, "total_charges": 29.85} {
		if got, err := c.Features.Number(name); err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", name, got, err, want)
		}
	}
	for name, want := range map[string]string{"contract": "Month-to-month", "payment_method": "Electronic check"} {
		if got, err := c.Features.Category(name); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"contract", "nonsense"} {
		if _, err := c.Features.Number(name); err == nil {
			t.Errorf("Number(%s) gave no error", name)
		}
	}
	for _, name := range []string{"tenure", "nonsense"} {
		if _, err := c.Features.Category(name); err == nil {
			t.Errorf("Category(%s) gave no error", name)
		}
	}
}

// The split is fixed: these counts may change only together with the models.
func TestSplit(t *testing.T) {
	training, err := Training()
	if err != nil {
		t.Fatal(err)
	}
	heldOut := held(t)
	if len(training) != 4196 || len(heldOut) != 2847 {
		t.Errorf("%d training and %d held-out customers, want 4196 and 2847", len(training), len(heldOut))
	}
	rows := map[int]int{}
	churned := 0
	for _, c := range training {
		rows[c.Row]++
	}
	for _, c := range heldOut {
		rows[c.Row]++
		if c.Churned {
			churned++
		}
	}
	if len(rows) != 7043 {
		t.Errorf("the two parts hold %d different customers of 7043", len(rows))
	}
	if share := float64(churned) / float64(len(heldOut)); math.Abs(share-0.265) > 0.01 {
		t.Errorf("%.3f of the held-out customers churned, want about 0.265 as in all the data", share)
	}
}

// What one caller does to its slice, another does not see.
func TestSlicesAreCallers(t *testing.T) {
	for name, load := range map[string]func() ([]Customer, error){"All": All, "Training": Training, "HeldOut": HeldOut} {
		first, err := load()
		if err != nil {
			t.Fatal(err)
		}
		want := first[0].ID
		first[0].ID = "changed"
		again, err := load()
		if err != nil {
			t.Fatal(err)
		}
		if again[0].ID != want {
			t.Errorf("%s: a change by one caller reached another", name)
		}
	}
	list := Columns()
	list[0].Name = "changed"
	if Columns()[0].Name == "changed" {
		t.Error("Columns: a change by one caller reached another")
	}
}

// The schema is the data's: every level occurs, and none is out of order.
func TestSchema(t *testing.T) {
	if len(columns) != numColumns {
		t.Fatalf("%d columns, but Features has room for %d", len(columns), numColumns)
	}
	var seen [numColumns]map[float64]bool
	for i := range seen {
		seen[i] = map[float64]bool{}
	}
	for _, c := range all(t) {
		for i, v := range c.Features {
			seen[i][v] = true
		}
	}
	for i, column := range columns {
		if column.Text() && len(seen[i]) != len(column.Levels) {
			t.Errorf("%s: %d of its %d levels occur", column.Name, len(seen[i]), len(column.Levels))
		}
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const (
	header = "churn,female,senior_citizen,partner,dependents,tenure,phone_service,multiple_lines," +
		"internet_service,online_security,online_backup,device_protection,tech_support,streaming_tv," +
		"streaming_movies,contract,paperless_billing,payment_method,monthly_charges,total_charges\n"
	row = "Yes,0,1,0,0,2,1,No,DSL,No,Yes,No,No,No,No,One year,1,Mailed check,53.85,\n"
)

func TestParse(t *testing.T) {
	got, err := parse(zipped(t, header+row))
	if err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(got[0].Features[18]) {
		t.Errorf("a blank total is read as %v, want NaN", got[0].Features[18])
	}
	got[0].Features[18] = 0
	want := []Customer{{ID: "customer-0001", Row: 1, Churned: true, Features: Features{
		0, 1, 0, 0, 2, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 3, 53.85, 0}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parse (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	change := func(from, to string) string { return header + row + strings.Replace(row, from, to, 1) }
	for name, test := range map[string]struct{ text, want string }{
		"no header":      {row, "the header is"},
		"empty":          {"", "EOF"},
		"other target":   {change("Yes", "Perhaps"), `row 2: churn is "Perhaps"`},
		"unknown level":  {change("One year", "Ten years"), `row 2: contract is "Ten years"`},
		"not a number":   {change("53.85", "much"), "row 2: monthly_charges"},
		"blank":          {change("53.85", ""), "monthly_charges is blank"},
		"negative":       {change("53.85", "-1"), "monthly_charges is -1"},
		"not whole":      {change(",2,", ",2.5,"), "tenure is 2.5"},
		"infinite":       {change("53.85", "Inf"), "monthly_charges is +Inf"},
		"column missing": {change(",53.85", ""), "wrong number of fields"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse(zipped(t, test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := parse([]byte("not gzip")); err == nil {
		t.Error("parse took a file that is not gzip")
	}
}
