package churn

import (
	"fmt"
	"slices"
)

// Column describes one input of the models, in the order of the data file.
type Column struct {
	Name string
	// Levels are the categories of a text column, in the data's own spelling;
	// nil for a number.
	Levels []string
	// Integer tells that the number is a count or a flag: its tensor is INT64,
	// otherwise FP64.
	Integer bool
	// Optional columns may be left out of a request or be null in it.
	Optional bool
}

// Text reports whether the column holds categories.
func (c Column) Text() bool { return c.Levels != nil }

var (
	internetOption = []string{"No", "No internet service", "Yes"}

	columns = []Column{
		{Name: "female", Integer: true},
		{Name: "senior_citizen", Integer: true},
		{Name: "partner", Integer: true},
		{Name: "dependents", Integer: true},
		{Name: "tenure", Integer: true}, // months since the customer signed up
		{Name: "phone_service", Integer: true},
		{Name: "multiple_lines", Levels: []string{"No", "No phone service", "Yes"}},
		{Name: "internet_service", Levels: []string{"DSL", "Fiber optic", "No"}},
		{Name: "online_security", Levels: internetOption},
		{Name: "online_backup", Levels: internetOption},
		{Name: "device_protection", Levels: internetOption},
		{Name: "tech_support", Levels: internetOption},
		{Name: "streaming_tv", Levels: internetOption},
		{Name: "streaming_movies", Levels: internetOption},
		{Name: "contract", Levels: []string{"Month-to-month", "One year", "Two year"}},
		{Name: "paperless_billing", Integer: true},
		{Name: "payment_method", Levels: []string{
			"Bank transfer (automatic)", "Credit card (automatic)", "Electronic check", "Mailed check"}},
		{Name: "monthly_charges"},               // dollars a month
		{Name: "total_charges", Optional: true}, // dollars so far; blank until the first bill
	}
)

// target is the column the models predict, the first one of the data file.
const target = "churn"

// numColumns is len(columns); a test keeps the two equal.
const numColumns = 19

// Columns returns the inputs in the order of [Features]. The caller owns the
// slice, not the level lists in it.
func Columns() []Column { return slices.Clone(columns) }

// columnIndex returns the position of the named column.
func columnIndex(name string) (int, error) {
	i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return 0, fmt.Errorf("no column is named %q", name)
	}
	return i, nil
}

// Features holds one customer's inputs, one number per column in the order of
// [Columns]. A text column holds the index of its level. A missing number is
// NaN.
type Features [numColumns]float64

// Number returns the value of the named number column, NaN when it is missing.
// Asking for a column that is not a number is an error.
func (f Features) Number(name string) (float64, error) {
	i, err := columnIndex(name)
	if err != nil {
		return 0, err
	}
	if columns[i].Text() {
		return 0, fmt.Errorf("column %s holds categories, not numbers", name)
	}
	return f[i], nil
}

// Category returns the level of the named text column. Asking for a column
// that is not text is an error.
func (f Features) Category(name string) (string, error) {
	i, err := columnIndex(name)
	if err != nil {
		return "", err
	}
	if !columns[i].Text() {
		return "", fmt.Errorf("column %s holds numbers, not categories", name)
	}
	return columns[i].Levels[int(f[i])], nil
}
