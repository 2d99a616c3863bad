// Command crd finishes the custom resource definitions that controller-gen has
// written into a folder. It says what the generator has no words for: a value
// that is a number or a text.
package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// shares are the forms of a Probability, by the format its field is marked
// with: what a number may be, and the pattern of a text.
var shares = map[string]map[string]any{
	"share": {
		"minimum": 0, "maximum": 1,
		"pattern": `^((100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+)%|0?\.[0-9]+|0(\.0*)?|1(\.0*)?)$`,
	},
	"share-inside": { // above 0% and below 100%
		"minimum": 0, "exclusiveMinimum": true, "maximum": 1, "exclusiveMaximum": true,
		"allOf": []any{pattern(`^(([0-9]{1,2}(\.[0-9]*)?|\.[0-9]+)%|0?\.[0-9]+)$`), pattern(`[1-9]`)},
	},
	"share-from-50": { // at least 50% and below 100%
		"minimum": 0.5, "maximum": 1, "exclusiveMaximum": true,
		"pattern": `^([5-9][0-9](\.[0-9]*)?%|0?\.[5-9][0-9]*)$`,
	},
	"share-from-1": { // at least 1% and below 50%
		"minimum": 0.01, "maximum": 0.5, "exclusiveMaximum": true,
		"pattern": `^(([1-9]|[1-4][0-9])(\.[0-9]*)?%|0?\.(0[1-9]|[1-4])[0-9]*)$`,
	},
	"share-to-20": { // above 0% and at most 20%
		"minimum": 0, "exclusiveMinimum": true, "maximum": 0.2,
		"allOf": []any{pattern(`^((20(\.0*)?|1?[0-9](\.[0-9]*)?|\.[0-9]+)%|0?\.([01][0-9]*|20*))$`), pattern(`[1-9]`)},
	},
	"share-to-50": {
		"minimum": 0, "exclusiveMinimum": true, "maximum": 0.5,
		"allOf": []any{pattern(`^((50(\.0*)?|[1-4]?[0-9](\.[0-9]*)?|\.[0-9]+)%|0?\.([0-4][0-9]*|50*))$`), pattern(`[1-9]`)},
	},
	"share-upto-5": {
		"minimum": 0, "maximum": 0.05,
		"pattern": `^((5(\.0*)?|[0-4](\.[0-9]*)?|\.[0-9]+)%|0?\.0([0-4][0-9]*|50*)?|0(\.0*)?)$`,
	},
}

func pattern(p string) map[string]any { return map[string]any{"pattern": p} }

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: crd DIR")
		os.Exit(2)
	}
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*_*.yaml"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no definitions in %s", os.Args[1])
	}
	for _, f := range files {
		if err == nil {
			err = finish(f)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crd:", err)
		os.Exit(1)
	}
}

func finish(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	walk(doc)
	out, err := yaml.Marshal(doc)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.WriteFile(file, append([]byte("---\n"), bytes.TrimPrefix(out, []byte("---\n"))...), 0o644)
}

// walk changes every schema below n that needs it.
func walk(n any) {
	switch n := n.(type) {
	case []any:
		for _, x := range n {
			walk(x)
		}
	case map[string]any:
		if n["x-kubernetes-int-or-string"] == true {
			delete(n, "type") // of the Go type, which is neither
		}
		if form, ok := shares[fmt.Sprint(n["format"])]; ok {
			share(n, form)
		}
		for _, x := range n {
			walk(x)
		}
	}
}

// share makes n a number or a text of a form. The type is left out, which a
// structural schema allows where unknown fields are kept; objects, lists and
// truth values are then refused one by one.
func share(n, form map[string]any) {
	delete(n, "type")
	delete(n, "format")
	n["x-kubernetes-preserve-unknown-fields"] = true
	n["maxProperties"], n["maxItems"] = 0, 0
	n["not"] = map[string]any{"enum": []any{true, false, map[string]any{}, []any{}}}
	maps.Copy(n, form)
}
