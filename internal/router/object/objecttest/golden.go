package objecttest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/haldane-dev/haldane/internal/router/object"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares what the owner of objects sees with testdata/NAME.yaml. The
// digests of marks are left out.
func Golden(t *testing.T, name string, objects ...*unstructured.Unstructured) {
	t.Helper()
	var text []byte
	for _, u := range objects {
		c := u.DeepCopy()
		if m, ok := object.ReadMark(c); ok {
			m.Sent, m.Stored = "digest", "digest"
			if err := m.Write(c); err != nil {
				t.Fatal(err)
			}
		}
		doc, err := yaml.Marshal(Look(c))
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, "---\n"...), doc...)
	}
	file := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(text)); d != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, d)
	}
}
