package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/examples/internal/serving"
	"github.com/haldane-dev/haldane/internal/inference"
)

// answers asks a variant as the clients do and calls f with every request and
// what was answered.
func answers(t *testing.T, variant string, n int, f func(in, out []byte, contentType string)) {
	t.Helper()
	h, err := handler(variant)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(in))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if p := inference.Detect(r.Method, r.URL.Path, r.Header.Get("Content-Type")); p != inference.TFServing {
			t.Errorf("%s is taken for %s", r.URL.Path, p)
		}
		f(in, rec.Body.Bytes(), rec.Header().Get("Content-Type"))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	defer s.Close()
	ask, err := dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := ask(context.Background(), i); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

// What is read of an answer is what the model says of each customer, in rows and
// in columns.
func TestAnswersAreRead(t *testing.T) {
	m, err := serving.LoadScorer("v1")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := inference.New(inference.Options{Classes: []string{"no", "yes"}})
	if err != nil {
		t.Fatal(err)
	}
	rows, columns := 0, 0
	answers(t, "v1", 16, func(in, out []byte, contentType string) {
		var q request
		if err := json.Unmarshal(in, &q); err != nil {
			t.Fatal(err)
		}
		if q.Inputs == nil {
			rows++
		} else {
			columns++
		}
		customers, err := q.rows()
		if err != nil {
			t.Fatal(err)
		}
		got, ok := reader.Read(nil, inference.TFServing, in, out, contentType)
		if !ok || len(got) != len(customers) {
			t.Fatalf("%d predictions read of %s, %t, want %d", len(got), out, ok, len(customers))
		}
		for i, c := range customers {
			p, err := m.Score(c)
			if err != nil {
				t.Fatal(err)
			}
			want := "no"
			if p >= 0.5 {
				want = "yes"
			}
			if got[i].Class != want || math.Abs(got[i].Value-p) > 1e-9 {
				t.Errorf("customer %d: read %+v, the model says %s with %v", i, got[i], want, p)
			}
		}
	})
	if rows == 0 || columns == 0 {
		t.Errorf("%d requests by row, %d by column: want some of each", rows, columns)
	}
}

func TestBadRequests(t *testing.T) {
	h, err := handler("v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{}`, `[`, `{"instances": []}`, `{"instances": [{}]}`,
		`{"instances": [{"tenure": 1}], "inputs": {"tenure": [1]}}`,
		`{"inputs": {"tenure": [1, 2], "contract": ["Two year"]}}`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/models/churn:predict", strings.NewReader(body)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", body, w.Code)
		}
	}
	if _, err := handler("v0"); err == nil {
		t.Error("an unknown variant is served")
	}
}
