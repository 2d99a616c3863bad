package main

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/haldane-dev/haldane/examples/churn"
)

// A user is marked alike in every request, and every mark is there.
func TestUsers(t *testing.T) {
	m, err := churn.Load("v1")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	users, marks := map[string]string{}, map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		mark := h.Get("Cookie") + "/" + h.Get("X-Country") + "/" + h.Get("X-No-Experiments")
		mu.Lock()
		if before, ok := users[h.Get("X-User-ID")]; ok && before != mark {
			t.Errorf("%s is %s, and was %s", h.Get("X-User-ID"), mark, before)
		}
		users[h.Get("X-User-ID")] = mark
		marks[mark]++
		mu.Unlock()
		m.Handler().ServeHTTP(w, r)
	}))
	defer s.Close()
	ask, err := dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	all, err := churn.HeldOut()
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(all) + 100 {
		if _, err := ask(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if len(users) != len(all) {
		t.Errorf("%d users, want one for each of %d customers", len(users), len(all))
	}
	for _, mark := range []string{"/DE/", "canary=always/DE/", "/NL/", "/DE/1"} {
		if marks[mark] == 0 {
			t.Errorf("nobody is %s: %v", mark, marks)
		}
	}
}
