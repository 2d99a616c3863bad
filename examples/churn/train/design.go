package main

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/haldane-dev/haldane/examples/churn"
)

// designMatrix returns the feature vectors of the customers, a constant 1 in
// front, and sets the Mean and Scale of each term to those of its raw values,
// so that one penalty suits them all. Raw values come from the code that
// serves them: training and serving cannot differ.
func designMatrix(customers []churn.Customer, terms []churn.Term) (*mat.Dense, error) {
	n := len(customers)
	x := mat.NewDense(n, len(terms)+1, nil)
	for i := range n {
		x.Set(i, 0, 1)
	}
	for j := range terms {
		sum, squares := 0.0, 0.0
		for i, c := range customers {
			raw, err := terms[j].Raw(c.Features)
			if err != nil {
				return nil, err
			}
			x.Set(i, j+1, raw)
			sum += raw
			squares += raw * raw
		}
		mean := sum / float64(n)
		scale := math.Sqrt(squares/float64(n) - mean*mean)
		if !(scale > 1e-6) {
			return nil, fmt.Errorf("term %s has the same value for every customer", terms[j])
		}
		terms[j].Mean, terms[j].Scale = round(mean), round(scale)
		for i := range n {
			x.Set(i, j+1, (x.At(i, j+1)-terms[j].Mean)/terms[j].Scale)
		}
	}
	return x, nil
}

// digits after the decimal point that model files keep: far finer than
// anything the answers depend on, far coarser than what differs between
// machines.
const digits = 6

func round(x float64) float64 {
	unit := math.Pow(10, digits)
	return math.Round(x*unit) / unit
}
