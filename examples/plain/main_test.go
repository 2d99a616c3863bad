package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/inference"
)

func TestAnswersAreRead(t *testing.T) {
	reader, err := inference.New(inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := handler("v1")
	if err != nil {
		t.Fatal(err)
	}
	classes := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		_, _ = w.Write(rec.Body.Bytes())
		got, ok := reader.Read(nil, inference.Detect(r.Method, r.URL.Path, ""), nil, rec.Body.Bytes(), "application/json")
		if !ok || len(got) != 1 || !got[0].HasClass || got[0].Confidence < 0.5 {
			t.Errorf("read %+v of %s: want a class, and more than half sure of it", got, rec.Body)
			return
		}
		classes[got[0].Class]++
	}))
	defer s.Close()
	ask, err := dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		if _, err := ask(t.Context(), n); err != nil {
			t.Error(err)
		}
	}
	if classes["yes"] == 0 || classes["no"] == 0 || len(classes) != 2 {
		t.Errorf("classes %v, want some yes and some no", classes)
	}
}

func TestBadRequest(t *testing.T) {
	h, err := handler("v1")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/score", strings.NewReader(`{"tenure": "long"}`)))
	if w.Code != http.StatusBadRequest {
		t.Errorf("status %d, want 400", w.Code)
	}
}
