package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/inference"
)

// Versions that should agree are alike, and the one that should not is not.
func TestVersions(t *testing.T) {
	const least = 0.8 // as the rollout file has it
	text := func(variant string) string {
		s := httptest.NewServer(handler(variant))
		defer s.Close()
		ask, err := dial(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t.Context(), 7); err != nil {
			t.Fatalf("%s: %v", variant, err)
		}
		return say(variant, "NL-000007")
	}
	v1 := text("v1")
	if !strings.Contains(v1, "NL-000007") {
		t.Errorf("v1 says %q", v1)
	}
	for variant, alike := range map[string]bool{"good": true, "slow": true, "off": false} {
		if x := inference.Similarity(v1, text(variant)); (x >= least) != alike {
			t.Errorf("%s is alike v1 by %.2f", variant, x)
		}
	}
}
