package importer_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/importer"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fixtures are manifests with the fields that the tools document, by the tool.
func fixtures(t testing.TB) map[string]importer.From {
	t.Helper()
	files, err := filepath.Glob("testdata/*-*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d fixtures: %v", len(files), err)
	}
	out := map[string]importer.From{}
	for _, f := range files {
		tool, _, _ := strings.Cut(filepath.Base(f), "-")
		out[f] = importer.From(tool)
	}
	return out
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGolden(t *testing.T) {
	for file, from := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got, err := importer.Import(from, read(t, file), importer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Document, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(read(t, golden)), string(got.Document)); d != "" {
				t.Errorf("(-want +got), go test -update rewrites it:\n%s", d)
			}
			if _, err := v1alpha1.LoadCluster("x", bytes.NewReader(got.Document)); err != nil {
				t.Errorf("it is not valid: %v", err)
			}
			for _, n := range got.Notes {
				if !strings.Contains(string(got.Document), n.Text) {
					t.Errorf("note %q is no comment", n)
				}
			}
		})
	}
}

// TestNothingIsDropped puts a field that nobody knows into every mapping of
// every fixture, one at a time, and wants it named: itself, or what it is part
// of.
func TestNothingIsDropped(t *testing.T) {
	const strange = "zzStrange"
	for file, from := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			places := 0
			for {
				docs := decode(t, read(t, file))
				at, ok := inject(docs, places, strange)
				if !ok {
					break
				}
				places++
				got, err := importer.Import(from, encode(t, docs), importer.Options{})
				if err == nil && !named(got.Notes, at) {
					t.Errorf("%s.%s is dropped in silence", at, strange)
				}
			}
			if places < 6 {
				t.Errorf("only %d places were tried", places)
			}
		})
	}
}

func decode(t *testing.T, text []byte) []any {
	t.Helper()
	var out []any
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var v any
		if dec.Decode(&v) != nil {
			return out
		}
		if m := v.(map[string]any); m["kind"] == "List" {
			out = append(out, m["items"].([]any)...)
			continue
		}
		out = append(out, v)
	}
}

func encode(t *testing.T, docs []any) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	for _, d := range docs {
		if err := enc.Encode(d); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// inject puts the field into the n-th mapping below spec or annotations, and
// tells where that is: "Kind/name path".
func inject(docs []any, n int, name string) (at string, ok bool) {
	var walk func(path string, v any) bool
	walk = func(path string, v any) bool {
		switch v := v.(type) {
		case map[string]any:
			if n == 0 {
				at = path
				v[name] = "x"
				return true
			}
			n--
			for _, k := range slices.Sorted(maps.Keys(v)) {
				sub := path + "." + k
				if strings.ContainsAny(k, "./") {
					sub = fmt.Sprintf("%s[%q]", path, k)
				}
				if walk(sub, v[k]) {
					return true
				}
			}
		case []any:
			for i := range v {
				if walk(fmt.Sprintf("%s[%d]", path, i), v[i]) {
					return true
				}
			}
		}
		return false
	}
	for _, d := range docs {
		m := d.(map[string]any)
		object := fmt.Sprintf("%s/%s", m["kind"], m["metadata"].(map[string]any)["name"])
		if walk(object+" spec", m["spec"]) {
			return at, true
		}
	}
	return "", false
}

// named reports whether a note is about the place or what it is part of.
func named(notes []importer.Note, at string) bool {
	object, path, _ := strings.Cut(at, " ")
	for _, n := range notes {
		whole := n.Path == "" && (strings.Contains(n.Text, "stays as it is") || strings.Contains(n.Text, "is the candidate") || strings.Contains(n.Text, "is in service"))
		if n.Object == object && (whole || n.Path != "" && strings.HasPrefix(path+".zzStrange", n.Path)) {
			return true
		}
	}
	return false
}

const minimal = `apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: a}
spec:
  targetRef: {kind: Deployment, name: a}
`

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		from importer.From
		text string
		says string
	}{
		"nothing":          {importer.Flagger, "", "empty"},
		"no YAML":          {importer.Flagger, "a: [", "document 1"},
		"no object":        {importer.Flagger, "[1]", "no object"},
		"no name":          {importer.Flagger, "{kind: Canary}", "no kind or no metadata.name"},
		"no canary":        {importer.Argo, minimal, "no Rollout of argoproj.io"},
		"another's canary": {importer.Flagger, strings.Replace(minimal, "flagger.app", "example.org", 1), "no Canary of flagger.app"},
		"two canaries":     {importer.Flagger, minimal + "---\n" + strings.Replace(minimal, "name: a}", "name: b}", 1), "--name"},
		"no Deployment":    {importer.Flagger, strings.Replace(minimal, "Deployment", "DaemonSet", 1), "only Deployments"},
		"an invalid name":  {importer.Flagger, strings.Replace(minimal, "name: a}\nspec", "name: A_b}\nspec", 1), "metadata.name"},
		"one Deployment":   {importer.Manifests, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}", "give the two"},
		"nothing to split": {importer.Manifests, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}\n---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}", "nothing in it splits"},
		"an unknown tool":  {"helm", minimal, "want flagger, argo or manifests"},
		"much too large":   {importer.Flagger, strings.Repeat(" ", importer.MaxInput+1), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := importer.Import(tc.from, []byte(tc.text), importer.Options{}); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want %q in it", err, tc.says)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	two := minimal + "---\n" + strings.Replace(minimal, "name: a}", "name: b}", 1)
	got, err := importer.Import(importer.Flagger, []byte(two), importer.Options{Name: "b", Prometheus: "http://p:9090"})
	if err != nil || !strings.Contains(string(got.Document), "name: b\n") || !strings.Contains(string(got.Document), "address: http://p:9090\n") {
		t.Errorf("%v:\n%s", err, got.Document)
	}
}

// FuzzImport: whatever a stranger sends, there is an error or a valid rollout.
func FuzzImport(f *testing.F) {
	for file, from := range fixtures(f) {
		f.Add(string(from), read(f, file))
	}
	f.Fuzz(func(t *testing.T, from string, text []byte) {
		got, err := importer.Import(importer.From(from), text, importer.Options{})
		if err != nil {
			return
		}
		if _, err := v1alpha1.LoadCluster("x", bytes.NewReader(got.Document)); err != nil {
			t.Errorf("%v:\n%s", err, got.Document)
		}
	})
}
