package v1alpha1

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checker walks a YAML tree beside the Go types and notes every field that is
// not known or not of its type, with its path and line. JSON decoding alone
// tells neither.
type checker struct {
	lines    map[string]int // line of every path that is in the file
	problems []Problem
}

const maxProblems = 20

func (c *checker) add(path string, line int, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{path, line, fmt.Sprintf(format, args...)})
	}
}

// line returns where path is written, or the nearest thing around it.
func (c *checker) line(path string) int {
	for path != "" {
		if n, ok := c.lines[path]; ok {
			return n
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

func (c *checker) document(n *yaml.Node) {
	c.node("", n, reflect.TypeFor[ModelRollout]())
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func (c *checker) node(path string, n *yaml.Node, t reflect.Type) {
	c.lines[path] = n.Line
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		return
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case n.Tag == "!!null" && n.Kind == yaml.ScalarNode:
		c.add(path, n.Line, "has no value: write one, or leave the field out")
	case reflect.PointerTo(t).Implements(unmarshaler):
		c.leaf(path, n, t)
	case t.Kind() == reflect.Struct:
		c.object(path, n, t)
	case t.Kind() == reflect.Map:
		c.mapping(path, n, t)
	case t.Kind() == reflect.Slice:
		c.list(path, n, t)
	default:
		c.leaf(path, n, t)
	}
}

func (c *checker) object(path string, n *yaml.Node, t reflect.Type) {
	if n.Kind != yaml.MappingNode {
		c.add(path, n.Line, "is %s: write fields (%s)", describe(n), strings.Join(fieldNames(t), ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		if seen[key.Value] {
			c.add(at, key.Line, "is written twice")
			continue
		}
		seen[key.Value] = true
		f, ok := field(t, key.Value)
		if !ok {
			c.add(at, key.Line, "unknown field%s", suggest(key.Value, fieldNames(t)))
			continue
		}
		c.node(at, value, f.Type)
		c.lines[at] = key.Line
	}
}

func (c *checker) mapping(path string, n *yaml.Node, t reflect.Type) {
	if n.Kind != yaml.MappingNode {
		c.add(path, n.Line, "is %s: write names and values", describe(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		c.node(join(path, n.Content[i].Value), n.Content[i+1], t.Elem())
	}
}

func (c *checker) list(path string, n *yaml.Node, t reflect.Type) {
	if n.Kind != yaml.SequenceNode {
		c.add(path, n.Line, "is %s: write a list", describe(n))
		return
	}
	for i, item := range n.Content {
		c.node(fmt.Sprintf("%s[%d]", path, i), item, t.Elem())
	}
}

// leaf decodes a scalar on its own, so that its error can name its path.
func (c *checker) leaf(path string, n *yaml.Node, t reflect.Type) {
	if n.Kind != yaml.ScalarNode {
		c.add(path, n.Line, "is %s: write %s", describe(n), want(t))
		return
	}
	var v any
	if err := n.Decode(&v); err != nil {
		c.add(path, n.Line, "%v", err)
		return
	}
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, reflect.New(t).Interface())
	}
	if err == nil {
		return
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		c.add(path, n.Line, "%v", err)
		return
	}
	c.add(path, n.Line, "is %s: write %s", describe(n), want(t))
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a set of fields"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!str":
		return fmt.Sprintf("the text %q", n.Value)
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value + ", a truth value"
	}
	return n.Value
}

func want(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text (in quotes if it looks like a number or truth value)"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	}
	return "a single value"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func field(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range fields(t) {
		if jsonName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func fields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous && jsonName(f) == "" { // its fields are this one's
				for g := range fields(f.Type) {
					if !yield(g) {
						return
					}
				}
			} else if !yield(f) {
				return
			}
		}
	}
}

func fieldNames(t reflect.Type) []string {
	var out []string
	for f := range fields(t) {
		out = append(out, jsonName(f))
	}
	return out
}

// suggest names the known field that is closest to name, if one is close.
func suggest(name string, known []string) string {
	best, at := "", 1+len(name)/3
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d <= at {
			best, at = k, d-1
		}
	}
	if best != "" {
		return fmt.Sprintf(": did you mean %s?", best)
	}
	return ": known here are " + strings.Join(known, ", ")
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
