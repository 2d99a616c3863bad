package reading

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Vars are what placeholders stand for: the rollout, and one of its arms.
type Vars struct {
	Name      string // of the rollout
	Namespace string // "" outside a cluster
	Arm       string // stable or canary
	Version   string // of the arm
	Revision  string // hash of the arm
	Pods      string // a regular expression of the names of the arm's pods; "" outside a cluster
}

func (v Vars) values() map[string]string {
	return map[string]string{
		"name": v.Name, "namespace": v.Namespace, "arm": v.Arm, "version": v.Version, "revision": v.Revision, "pods": v.Pods,
	}
}

// ArmNames are the placeholders that differ between the arms.
var ArmNames = []string{"arm", "version", "revision", "pods"}

var placeholder = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)

// Names returns the placeholders in a text, each once, in the order they come in.
func Names(text string) []string {
	var out []string
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// Fill replaces the placeholders in a text by what they stand for, passed through
// escape, nil for none. The error names one that stands for nothing.
func Fill(text string, of Vars, escape func(string) string) (string, error) {
	return fill(text, of.values(), escape)
}

// FillTimes is Fill with {{start}}, {{stop}} (RFC 3339) and {{step}} (a duration
// such as 60s), which are not escaped.
func FillTimes(text string, of Vars, s Span, escape func(string) string) (string, error) {
	text, err := fill(text, of.values(), func(x string) string {
		if escape != nil {
			x = escape(x)
		}
		return x
	}, "start", "stop", "step")
	if err != nil {
		return "", err
	}
	return fill(text, map[string]string{
		"start": s.Start.UTC().Format(time.RFC3339Nano), "stop": s.End.UTC().Format(time.RFC3339Nano),
		"step": fmt.Sprintf("%dms", max(s.Step.Milliseconds(), 1)),
	}, nil)
}

func fill(text string, values map[string]string, escape func(string) string, keep ...string) (string, error) {
	var wrong error
	out := placeholder.ReplaceAllStringFunc(text, func(whole string) string {
		name := placeholder.FindStringSubmatch(whole)[1]
		if slices.Contains(keep, name) {
			return whole
		}
		value := values[name]
		if value == "" && wrong == nil {
			wrong = fmt.Errorf("{{%s}} stands for nothing here", name)
		}
		if escape != nil {
			value = escape(value)
		}
		return value
	})
	return out, wrong
}

// Quoted escapes a value for the inside of a double-quoted string.
func Quoted(value string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value)
}
