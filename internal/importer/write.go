package importer

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tree is a mapping in the order in which it is written.
type tree []entry

type entry struct {
	key   string
	value any // string, number, bool, tree, []any, []string
}

// set appends a key unless its value is nothing.
func (t *tree) set(key string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case tree:
		if v == nil {
			return
		}
	case []any:
		if len(v) == 0 {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	}
	*t = append(*t, entry{key, value})
}

// flow is a tree that is written in one line.
type flow tree

// node turns a value into YAML.
func node(v any) *yaml.Node {
	switch v := v.(type) {
	case tree:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, e := range v {
			n.Content = append(n.Content, node(e.key), node(e.value))
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	case flow:
		n := node(tree(v))
		n.Style = yaml.FlowStyle
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, x := range v {
			n.Content = append(n.Content, node(x))
		}
		return n
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, x := range v {
			n.Content = append(n.Content, node(x))
		}
		return n
	}
	n := &yaml.Node{}
	if err := n.Encode(v); err != nil {
		panic(fmt.Sprintf("importer: a %T has no YAML: %v", v, err)) // the trees are made here
	}
	return n
}

// encode writes t with a comment above it.
func encode(t tree, comment []string) ([]byte, error) {
	var out bytes.Buffer
	for _, line := range comment {
		fmt.Fprintln(&out, strings.TrimRight("# "+line, " "))
	}
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(node(t)); err != nil {
		return nil, fmt.Errorf("write the rollout: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write the rollout: %w", err)
	}
	return out.Bytes(), nil
}
