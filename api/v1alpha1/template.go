package v1alpha1

import (
	"fmt"
	"strings"
	"text/template"
	tree "text/template/parse"
)

// MessageTemplate reads the template of a message. It is text, fields, if and
// with: what loops or calls other templates is refused, because whoever may
// write a rollout must not keep a controller busy.
func MessageTemplate(text string) (*template.Template, error) {
	t, err := template.New("message").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(t.Templates()) > 1 {
		return nil, fmt.Errorf("defines other templates: write one text")
	}
	if t.Tree == nil {
		return t, nil
	}
	return t, plain(t.Root)
}

// plain refuses what is not text, a field or a condition.
func plain(n tree.Node) error {
	var branch *tree.BranchNode
	switch n := n.(type) {
	case *tree.ListNode:
		if n == nil {
			return nil
		}
		for _, x := range n.Nodes {
			if err := plain(x); err != nil {
				return err
			}
		}
		return nil
	case *tree.TextNode, *tree.ActionNode, *tree.CommentNode:
		return nil
	case *tree.IfNode:
		branch = &n.BranchNode
	case *tree.WithNode:
		branch = &n.BranchNode
	default:
		return fmt.Errorf("has %s: write text, fields like {{.Message}}, if and with", n)
	}
	if err := plain(branch.List); err != nil {
		return err
	}
	return plain(branch.ElseList)
}
