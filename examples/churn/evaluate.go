package churn

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Evaluation is how a model did on labelled customers. All but Customers and
// ErrorShare are over those it answered.
type Evaluation struct {
	Customers  int
	Accuracy   float64 // share of answers equal to the true label
	LogLoss    float64 // mean of −ln of the probability given to the true label
	AUC        float64 // chance that one who left scores above one who stayed, ties half
	YesShare   float64 // share of answers "yes"
	Confidence float64 // mean probability of the class answered
	ErrorShare float64 // share of customers it failed on
}

// Evaluate runs the model over the customers, without the feature store's
// wait. A model that fails on all of them, or customers of one class only, are
// an error, because nothing is defined then.
func Evaluate(m *Model, customers []Customer) (Evaluation, error) {
	e := Evaluation{Customers: len(customers)}
	var left, stayed []float64
	for _, c := range customers {
		p, err := m.leaving(&c.Features)
		if err != nil {
			e.ErrorShare++
			continue
		}
		if p >= threshold == c.Churned {
			e.Accuracy++
		}
		if p >= threshold {
			e.YesShare++
		}
		e.Confidence += max(p, 1-p)
		if c.Churned {
			left = append(left, p)
			e.LogLoss -= math.Log(p)
		} else {
			stayed = append(stayed, p)
			e.LogLoss -= math.Log1p(-p)
		}
	}
	if len(left) == 0 || len(stayed) == 0 {
		return e, fmt.Errorf("evaluate %s on %d customers: %w", m.Version(), len(customers), errOneClass)
	}
	answered := float64(len(left) + len(stayed))
	for _, sum := range []*float64{&e.Accuracy, &e.YesShare, &e.Confidence, &e.LogLoss} {
		*sum /= answered
	}
	e.ErrorShare /= float64(len(customers))
	e.AUC = auc(left, stayed)
	return e, nil
}

var errOneClass = errors.New("answers for customers of both classes are needed")

// auc counts the pairs that are in the right order (Mann and Whitney's U over
// the number of pairs), by binary search in the sorted scores of those who
// stayed.
func auc(left, stayed []float64) float64 {
	slices.Sort(stayed)
	pairs := 0.0
	for _, p := range left {
		below, _ := slices.BinarySearch(stayed, p)
		notAbove, _ := slices.BinarySearch(stayed, math.Nextafter(p, 2))
		pairs += float64(below+notAbove) / 2
	}
	return pairs / float64(len(left)*len(stayed))
}
