package cli

import (
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestListWarns: what a person should know stands below the table, by name.
func TestListWarns(t *testing.T) {
	var out strings.Builder
	err := writeList(&out, []engine.Status{
		{Name: "churn", Phase: rollout.Progressing, Warnings: []string{"the disk is full"}},
		{Name: "fraud", Phase: rollout.Promoted},
	})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err != nil || len(lines) != 4 || lines[3] != "! churn: the disk is full" {
		t.Errorf("%v:\n%s", err, out.String())
	}
}
