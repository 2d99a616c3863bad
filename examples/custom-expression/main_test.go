package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/examples/internal/serving"
	"github.com/haldane-dev/haldane/internal/inference"
)

// The expression of the rollout file reads what the model says of each customer.
// Without it nothing of the answer can be read.
func TestTheExpressionReads(t *testing.T) {
	m, err := v1alpha1.LoadFile("rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := inference.New(inference.Options{Expr: m.Spec.Inference.Expr})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := inference.New(inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	model, err := serving.LoadScorer("good")
	if err != nil {
		t.Fatal(err)
	}
	h, err := handler("good")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(in))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		_, _ = w.Write(rec.Body.Bytes())
		var q request
		if err := json.Unmarshal(in, &q); err != nil {
			t.Error(err)
		}
		protocol := inference.Detect(r.Method, r.URL.Path, r.Header.Get("Content-Type"))
		if got, ok := plain.Read(nil, protocol, in, rec.Body.Bytes(), "application/json"); ok {
			t.Errorf("%s is read as %+v without an expression", rec.Body, got)
		}
		got, ok := reader.Read(nil, protocol, in, rec.Body.Bytes(), "application/json")
		if !ok || len(got) != len(q.Customers) {
			t.Errorf("read %+v of %s, want %d predictions", got, rec.Body, len(q.Customers))
			return
		}
		for i, c := range q.Customers {
			p, err := model.Score(c)
			if err != nil {
				t.Error(err)
			}
			want := "stays"
			if math.Round(1000*p) >= 500 {
				want = "leaves"
			}
			if got[i].Class != want || math.Abs(got[i].Value-p) > 0.001 || got[i].HasConfidence {
				t.Errorf("customer %d: read %+v, the model says %s with %v", i, got[i], want, p)
			}
		}
	}))
	defer s.Close()
	ask, err := dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 12 {
		if _, err := ask(t.Context(), n); err != nil {
			t.Error(err)
		}
	}
}

func TestTiers(t *testing.T) {
	for p, want := range map[float64]string{0: "low", 0.19: "low", 0.2: "medium", 0.49: "medium", 0.5: "high", 1: "high"} {
		if got := assess(p); got.Tier != want || got.Risk.Permille != int(math.Round(1000*p)) {
			t.Errorf("%v is %+v, want tier %s", p, got, want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	h, err := handler("v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`[`, `{"customers": [{}]}`} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/risk", strings.NewReader(body)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", body, w.Code)
		}
	}
}
