package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// TestChecksOfTheDocumentation reads the files of docs/checks.md: the first is of
// one machine, the second of a cluster.
func TestChecksOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d files in the documentation", len(blocks))
	}
	local := strings.Replace(strangers("http://127.0.0.1:1", "http://127.0.0.1:2"), "  analysis:\n", strings.TrimPrefix(blocks[0][1], "spec:\n"), 1)
	m := parse(t, local)
	if len(m.Spec.Analysis.Checks) != 4 || m.Spec.Analysis.Load == nil {
		t.Errorf("read %+v", m.Spec.Analysis)
	}
	indented := "    " + strings.ReplaceAll(strings.TrimSpace(blocks[1][1]), "\n", "\n    ") + "\n"
	r := syntheticShop(t, indented)
	if _, err := checks(&v1alpha1.ModelRollout{Spec: *r.Spec}, clusterArms(r)); err != nil || r.Spec.Analysis.Load == nil {
		t.Errorf("read %+v, %v", r.Spec.Analysis, err)
	}
}
