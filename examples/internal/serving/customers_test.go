package serving

import (
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/haldane-dev/haldane/examples/churn"
)

func TestRecordsKeepEverything(t *testing.T) {
	customers, err := Customers()
	if err != nil || len(customers) == 0 {
		t.Fatalf("%d customers, %v", len(customers), err)
	}
	for _, c := range customers {
		got, err := NewRecord(c).Features()
		if err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		if d := cmp.Diff(c.Features, got, cmpopts.EquateNaNs()); d != "" {
			t.Fatalf("%s (-want +got):\n%s", c.ID, d)
		}
	}
}

func TestBadRecords(t *testing.T) {
	customers, err := Customers()
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadScorer("good")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(Record){
		"a column is missing":     func(r Record) { delete(r, "tenure") },
		"a category is unknown":   func(r Record) { r["contract"] = "For ever" },
		"a number for a category": func(r Record) { r["contract"] = 1.0 },
		"a negative number":       func(r Record) { r["tenure"] = -1.0 },
		"no number":               func(r Record) { r["tenure"] = math.NaN() },
		"a list":                  func(r Record) { r["total_charges"] = []any{1.0} },
	} {
		r := NewRecord(customers[0])
		change(r)
		_, err := s.Score(r)
		if !errors.Is(err, ErrBadRecord) {
			t.Errorf("%s: %v, want %v", name, err, ErrBadRecord)
		}
		w := httptest.NewRecorder()
		if FailScore(w, err); w.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", name, w.Code)
		}
	}
	r := NewRecord(customers[0])
	r["total_charges"] = nil
	if _, err := s.Score(r); err != nil {
		t.Errorf("an optional number that is null: %v", err)
	}
}

// A score is the probability of leaving, whichever the label is.
func TestScore(t *testing.T) {
	m, err := churn.Load("good")
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadScorer("good")
	if err != nil {
		t.Fatal(err)
	}
	customers, err := Customers()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range customers[:100] {
		label, sure, err := m.Predict(c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Score(NewRecord(c))
		if err != nil || (p >= 0.5) != (label == "yes") || math.Abs(math.Max(p, 1-p)-sure) > 1e-12 {
			t.Errorf("%s: score %v, %v; the model says %s, sure to %v", c.ID, p, err, label, sure)
		}
	}
}

func TestAFailingModelIsNoBadRequest(t *testing.T) {
	s, err := LoadScorer("errors")
	if err != nil {
		t.Fatal(err)
	}
	customers, err := Customers()
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, c := range customers {
		if _, err := s.Score(NewRecord(c)); err != nil {
			failed++
			w := httptest.NewRecorder()
			if FailScore(w, err); w.Code != http.StatusInternalServerError {
				t.Fatalf("%s: %v: status %d, want 500", c.ID, err, w.Code)
			}
		}
	}
	if failed == 0 || failed == len(customers) {
		t.Errorf("it failed for %d of %d customers", failed, len(customers))
	}
}
