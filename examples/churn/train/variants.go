package main

import (
	"math"

	"github.com/haldane-dev/haldane/examples/churn"
)

// penalty is the weight of the squared coefficients, small: it only keeps
// nearly collinear columns apart.
const penalty = 1e-4

// number, above, levels and within spell out terms.
func number(columns ...string) []churn.Term {
	var terms []churn.Term
	for _, c := range columns {
		terms = append(terms, churn.Term{Column: c})
	}
	return terms
}

func above(column string, knot float64) churn.Term {
	return churn.Term{Column: column, Above: &knot}
}

func levels(column string, names ...string) []churn.Term {
	var terms []churn.Term
	for _, name := range names {
		terms = append(terms, churn.Term{Column: column, Level: name})
	}
	return terms
}

func within(column, gate, level string) churn.Term {
	return churn.Term{Column: column, When: &churn.Condition{Column: gate, Level: level}}
}

// firstTerms are those of v1: two columns.
func firstTerms() []churn.Term {
	return append(number("tenure"), levels("tech_support", "No internet service", "Yes")...)
}

// goodTerms use every column. Levels that others imply are left out: the first
// of each column, and those that repeat "no phone" or "no internet".
func goodTerms() []churn.Term {
	terms := number("female", "senior_citizen", "partner", "dependents", "tenure",
		"phone_service", "paperless_billing", "monthly_charges", "total_charges")
	for _, c := range []string{"multiple_lines", "online_security", "online_backup",
		"device_protection", "tech_support", "streaming_tv", "streaming_movies"} {
		terms = append(terms, levels(c, "Yes")...)
	}
	terms = append(terms, levels("internet_service", "Fiber optic", "No")...)
	terms = append(terms, levels("contract", "One year", "Two year")...)
	terms = append(terms, levels("payment_method", "Credit card (automatic)", "Electronic check", "Mailed check")...)
	return append(terms,
		above("tenure", 6),
		above("monthly_charges", 70),
		within("tenure", "contract", "Month-to-month"),
		within("tenure", "internet_service", "Fiber optic"),
		within("monthly_charges", "contract", "Month-to-month"),
	)
}

// logistic fits a regression; a customer who left counts yesWeight times.
func logistic(customers []churn.Customer, terms []churn.Term, yesWeight float64) (churn.Parameters, error) {
	x, err := designMatrix(customers, terms)
	if err != nil {
		return churn.Parameters{}, err
	}
	p := problem{x: x, penalty: penalty}
	for _, c := range customers {
		y, w := 0.0, 1.0
		if c.Churned {
			y, w = 1, yesWeight
		}
		p.y = append(p.y, y)
		p.weight = append(p.weight, w)
	}
	beta, err := p.fit()
	if err != nil {
		return churn.Parameters{}, err
	}
	for j := range terms {
		terms[j].Coefficient = round(beta[j+1])
	}
	return churn.Parameters{Intercept: round(beta[0]), Terms: terms}, nil
}

// trainAll fits every variant on the training customers.
func trainAll(customers []churn.Customer) ([]churn.Parameters, error) {
	v1, err := logistic(customers, firstTerms(), 1)
	if err != nil {
		return nil, err
	}
	good, err := logistic(customers, goodTerms(), 1)
	if err != nil {
		return nil, err
	}
	balance := balancedWeight(customers)
	drift, err := logistic(customers, goodTerms(), balance*balance)
	if err != nil {
		return nil, err
	}
	offsets, err := yearOffsets(customers, good)
	if err != nil {
		return nil, err
	}
	slow, wrong, failing := v1, good, good
	slow.FeatureStore = &churn.FeatureStore{MinMS: 40, MaxMS: 60}
	wrong.Swapped = []string{"tenure", "monthly_charges"}
	failing.YearOffsets = offsets
	return []churn.Parameters{
		describe(v1, "v1", "logistic regression on tenure and tech support"),
		describe(good, "good", "logistic regression on every column, with knots and interactions"),
		describe(wrong, "wrong", "good, but its code fills tenure and monthly_charges into each other's place of the feature vector"),
		describe(slow, "slow", "v1, but every request waits 40 to 60 ms for a feature store"),
		describe(failing, "errors", "good, recalibrated by year of tenure with a table that ends before the 72nd month"),
		describe(drift, "drift", "good's columns, but the weights that balance the classes were applied twice"),
	}, nil
}

func describe(p churn.Parameters, version, text string) churn.Parameters {
	p.Version, p.Description = version, text
	return p
}

// balancedWeight is the weight at which those who left count as much in all
// as those who stayed.
func balancedWeight(customers []churn.Customer) float64 {
	left := 0
	for _, c := range customers {
		if c.Churned {
			left++
		}
	}
	return float64(len(customers)-left) / float64(left)
}

// tableYears is the size of the recalibration table; the longest tenure in the
// data, 72 months, is in the seventh year.
const tableYears = 6

// yearOffsets returns, for each full year of tenure, by how much the log-odds
// of the observed share of leavers exceed those of the mean prediction.
func yearOffsets(customers []churn.Customer, p churn.Parameters) ([]float64, error) {
	m, err := churn.New(p)
	if err != nil {
		return nil, err
	}
	var observed, predicted, n [tableYears]float64
	for _, c := range customers {
		tenure, err := c.Features.Number("tenure")
		if err != nil {
			return nil, err
		}
		year := int(tenure) / 12
		if year >= tableYears {
			continue // the mistake: these customers will come to be served
		}
		label, probability, err := m.Predict(c)
		if err != nil {
			return nil, err
		}
		if label == "no" {
			probability = 1 - probability
		}
		n[year]++
		predicted[year] += probability
		if c.Churned {
			observed[year]++
		}
	}
	offsets := make([]float64, tableYears)
	for i := range offsets {
		offsets[i] = round(logit(observed[i]/n[i]) - logit(predicted[i]/n[i]))
	}
	return offsets, nil
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }
