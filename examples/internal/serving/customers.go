package serving

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/haldane-dev/haldane/examples/churn"
)

// Record is one customer as a client writes it down: a text or a number by
// column. A number that is not known is left out.
type Record map[string]any

// Customers are the held-out customers, in an order drawn anew by every
// process.
func Customers() ([]churn.Customer, error) {
	all, err := churn.HeldOut()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, err
}

// NewRecord writes down a customer.
func NewRecord(c churn.Customer) Record {
	r := Record{}
	for i, col := range churn.Columns() {
		switch x := c.Features[i]; {
		case math.IsNaN(x):
		case col.Text():
			r[col.Name] = col.Levels[int(x)]
		default:
			r[col.Name] = x
		}
	}
	return r
}

// Features reads a record. The error names the column that is wrong.
func (r Record) Features() (f churn.Features, err error) {
	for i, col := range churn.Columns() {
		v, there := r[col.Name]
		switch v := v.(type) {
		case float64:
			if col.Text() || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
				return f, fmt.Errorf("%s cannot be %v", col.Name, v)
			}
			f[i] = v
		case string:
			level := slices.Index(col.Levels, v)
			if level < 0 {
				return f, fmt.Errorf("%s cannot be %q", col.Name, v)
			}
			f[i] = float64(level)
		default:
			if there && v != nil || !col.Optional {
				return f, fmt.Errorf("%s must be a text or a number, and is %v", col.Name, v)
			}
			f[i] = math.NaN()
		}
	}
	return f, nil
}
