package app

import (
	"path/filepath"
	"testing"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// Every rollout file that is shipped must be one that runs.
func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/rollout*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples found: %v", err)
	}
	for _, f := range files {
		m, err := v1alpha1.LoadFile(f)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if _, err := Plan(m); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}
