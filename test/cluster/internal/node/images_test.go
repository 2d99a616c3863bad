package node

import (
	"path/filepath"
	"testing"
)

func TestFindPrefersTheMostExactName(t *testing.T) {
	images := Images{"*": {Program: "any"}, "web:*": {Program: "web"}, "web:v1*": {Program: "one"}, "web:v1": {Program: "exact"}}
	for name, want := range map[string]string{"web:v1": "exact", "web:v1.2": "one", "web:v2": "web", "db": "any"} {
		if got, ok := images.Find(name); !ok || got.Program != want {
			t.Errorf("Find(%q) = %q, %t; want %q", name, got.Program, ok, want)
		}
	}
	if _, ok := (Images{"web:*": {}}).Find("web"); ok {
		t.Error("web: matched by a key it does not begin with")
	}
}

func TestImagesSurviveTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "images.json")
	if images, err := LoadImages(path); err != nil || len(images) != 0 {
		t.Fatalf("no file: %v, %v; want an empty table", images, err)
	}
	if err := (Images{"web": {Program: "/bin/web", Args: []string{"-x"}}}).Save(path); err != nil {
		t.Fatal(err)
	}
	images, err := LoadImages(path)
	if err != nil || images["web"].Program != "/bin/web" || images["web"].Args[0] != "-x" {
		t.Errorf("read back %v, %v", images, err)
	}
}
