package serving

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/haldane-dev/haldane/examples/churn"
)

// ErrBadRecord is wrapped by the error for a record that is no customer.
var ErrBadRecord = errors.New("this is no customer")

// Scorer is a version of the churn model that answers with probabilities.
type Scorer struct{ model *churn.Model }

// LoadScorer returns a version of the churn model by its name.
func LoadScorer(variant string) (Scorer, error) {
	m, err := churn.Load(variant)
	return Scorer{m}, err
}

// Score is the probability that the customer of a record leaves. The error of a
// record that cannot be read wraps [ErrBadRecord]; any other is the model's.
func (s Scorer) Score(r Record) (float64, error) {
	f, err := r.Features()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	label, p, err := s.model.Predict(churn.Customer{Features: f})
	if label == "no" {
		p = 1 - p
	}
	return p, err
}

// FailScore answers with the error of a Score: 400 for a bad record, 500 if the
// model failed.
func FailScore(w http.ResponseWriter, err error) {
	if errors.Is(err, ErrBadRecord) {
		Fail(w, http.StatusBadRequest, err)
		return
	}
	Fail(w, http.StatusInternalServerError, err)
}
