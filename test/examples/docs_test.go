package examples

import (
	"os"
	"regexp"
	"testing"

	"github.com/haldane-dev/haldane/internal/inference"
)

var sample = regexp.MustCompile("(?s)```json\n([^`]*)```\n+```cel\n([^`]*)```")

// TestExpressionsOfTheDocumentation reads every answer of docs/protocols.md with
// the expression below it.
func TestExpressionsOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	found := sample.FindAllSubmatch(text, -1)
	if len(found) < 4 {
		t.Fatalf("%d samples found, want those with a json and a cel block each", len(found))
	}
	for _, m := range found {
		reader, err := inference.New(inference.Options{Expr: string(m[2])})
		if err != nil {
			t.Errorf("%s%v", m[2], err)
			continue
		}
		got, ok := reader.Read(nil, inference.Custom, nil, m[1], "application/json")
		if !ok || len(got) == 0 {
			t.Errorf("%sreads nothing of %s", m[2], m[1])
		}
		for _, p := range got {
			if p.Unread() || !p.HasClass && !p.HasValue {
				t.Errorf("%sreads %+v of %s", m[2], p, m[1])
			}
		}
	}
}
