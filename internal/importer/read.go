package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is one object of the input, with an account of what was read of it.
type document struct {
	kind, name string
	root       any
	seen       map[string]bool // paths that were read or told of, whole subtrees
}

// documents reads every object of a file of YAML or JSON; a List is its items.
func documents(text []byte) ([]*document, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var out []*document
	for n := 1; ; n++ {
		var v any
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if v == nil {
			continue
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("document %d is no object of Kubernetes", n)
		}
		items := []any{m}
		if list, ok := m["items"].([]any); ok && m["kind"] == "List" {
			items = list
		}
		for _, item := range items {
			d, err := newDocument(item)
			if err != nil {
				return nil, fmt.Errorf("document %d: %w", n, err)
			}
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("empty: give the manifests")
	}
	return out, nil
}

func newDocument(v any) (*document, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("an item is no object")
	}
	d := &document{root: m, seen: map[string]bool{}}
	f := d.field()
	d.kind, d.name = f.get("kind").text(), f.get("metadata", "name").text()
	f.get("apiVersion").text()
	f.get("metadata", "namespace").text()
	if d.kind == "" || d.name == "" {
		return nil, errors.New("an object has no kind or no metadata.name")
	}
	// What the server added is no wish of anybody's.
	for _, of := range []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"} {
		f.get("metadata", of).taken()
	}
	return d, nil
}

// String is how notes name it: Canary/churn.
func (d *document) String() string { return d.kind + "/" + d.name }

func (d *document) field() field { return field{d, "", d.root} }

// group is the API group.
func (d *document) group() string {
	group, _, _ := strings.Cut(d.field().get("apiVersion").text(), "/")
	return group
}

// unread names what nobody read, the largest subtrees first.
func (d *document) unread() []string { return d.walk("", d.root) }

func (d *document) walk(path string, v any) []string {
	if d.seen[path] {
		return nil
	}
	var out []string
	touched := false
	child := func(at string, v any) {
		touched = touched || d.touched(at)
		out = append(out, d.walk(at, v)...)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			child(below(path, k), v[k])
		}
	case []any:
		for i := range v {
			child(fmt.Sprintf("%s[%d]", path, i), v[i])
		}
	}
	if !touched && path != "" && path != "metadata" && path != "spec" {
		return []string{path}
	}
	return out
}

// touched reports whether anything at or below path was read.
func (d *document) touched(path string) bool {
	for p := range d.seen {
		if rest, ok := strings.CutPrefix(p, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// below is the path of key k.
func below(path, k string) string {
	switch {
	case strings.ContainsAny(k, `./[]"`):
		return path + "[" + strconv.Quote(k) + "]"
	case path == "":
		return k
	}
	return path + "." + k
}

// field is a place in a document, perhaps without anything there.
type field struct {
	doc  *document
	path string
	v    any // nil: nothing is there
}

// get goes down by keys.
func (f field) get(keys ...string) field {
	for _, k := range keys {
		m, _ := f.v.(map[string]any)
		f = field{f.doc, below(f.path, k), m[k]}
	}
	return f
}

func (f field) exists() bool { return f.v != nil }

// taken notes that the whole subtree is accounted for.
func (f field) taken() {
	if f.exists() {
		f.doc.seen[f.path] = true
	}
}

// text reads a scalar; what is none stays unread.
func (f field) text() string {
	switch f.v.(type) {
	case string, bool, int, int64, uint64, float64:
		f.taken()
		return fmt.Sprint(f.v)
	}
	return ""
}

// is reads a boolean.
func (f field) is() bool { return f.text() == "true" }

// number reads a number, or the text of one, with or without a percent sign.
func (f field) number() (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(f.text(), "%"), 64)
	return n, err == nil
}

// list are the items of a list.
func (f field) list() []field {
	items, _ := f.v.([]any)
	out := make([]field, len(items))
	for i, v := range items {
		out[i] = field{f.doc, fmt.Sprintf("%s[%d]", f.path, i), v}
	}
	return out
}

// texts reads a list of scalars.
func (f field) texts() []string {
	var out []string
	for _, x := range f.list() {
		if t := x.text(); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// keys are those of a map, in order.
func (f field) keys() []string {
	m, _ := f.v.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}
