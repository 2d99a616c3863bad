package docs

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// machine and shop are what parts of files are put into.
const (
	machine = `
apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  endpoints:
    stable: {version: v1, url: "http://127.0.0.1:9001"}
    canary: {version: v2, url: "http://127.0.0.1:9002"}
  routing: {gateway: {listen: "127.0.0.1:8080"}}
  strategy: {canary: {}}
`
	shop = `
apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn, namespace: shop}
spec:
  workload: {name: churn}
  routing: {gateway: {fleet: {}}}
  strategy: {canary: {}}
  analysis:
    source: {prometheus: {address: "http://prometheus.monitoring:9090", preset: haldane}}
`
	mesh = `
apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn, namespace: shop}
spec:
  workload: {name: churn}
  routing: {istio: {virtualService: churn, hosts: [churn]}}
  strategy: {canary: {}}
  analysis:
    metrics:
    - {name: errors, errorRate: {}}
    - {name: latency, latency: {}}
    - {name: answers, drift: {max: 0.05}}
    - {name: score, mean: {of: value, bounds: [0, 1], maxDecrease: 0.1}}
    source: {prometheus: {address: "http://prometheus.monitoring:9090", preset: istio}}
`
)

// part says what a block of YAML is that is no whole object.
type part struct {
	of    string // the file it belongs to; "": no rollout's
	under string // where in it
}

// parts are the blocks of each page that are no whole objects, in order. Those of
// docs/providers.md are read by a test of api/v1alpha1.
var parts = map[string][]part{
	"docs/checks.md":                       {{machine, ""}, {shop, "spec.analysis"}},
	"docs/experiments.md":                  {{ordersOfTwo, "spec.analysis"}},
	"docs/flags.md":                        {{machine, ""}},
	"docs/guardrails.md":                   {{shop, ""}},
	"docs/hooks.md":                        {{machine, ""}},
	"docs/kubernetes.md":                   {{}, {}, {}}, // a kustomization, of Argo CD, a role
	"docs/metrics.md":                      {{}},         // of Prometheus
	"docs/notifications.md":                {{machine, ""}, {messages, "spec.notifications.0"}},
	"docs/pipelines.md":                    {{}}, // of Flux; test/examples reads it
	"docs/prometheus.md":                   {{mesh, "spec"}, {mesh, "spec.analysis.source.prometheus"}},
	"docs/protocols.md":                    {{machine, ""}},
	"examples/custom-expression/README.md": {{machine, "spec"}},
}

const messages = machine + `
  notifications: [{slack: {urlFrom: {env: SLACK_WEBHOOK}}}]
`

var ordersOfTwo = strings.Replace(mesh, "{canary: {}}", "{experiment: {goal: {mean: {of: value, bounds: [0, 1]}, minEffect: 0.1}}}", 1)

// TestRollouts: every rollout file that a page shows is one that the reader takes,
// parts of files within a file.
func TestRollouts(t *testing.T) {
	n := 0
	for _, p := range pages(t) {
		left := parts[p.name]
		for _, f := range p.code {
			if f.language != "yaml" || p.name == "docs/providers.md" {
				continue
			}
			at := fmt.Sprintf("%s:%d", p.name, f.at)
			whole, err := objects(f.text)
			if err != nil {
				t.Errorf("%s: %v", at, err)
				continue
			}
			if len(whole) > 0 {
				n += load(t, at, whole...)
				continue
			}
			if len(left) == 0 {
				t.Errorf("%s: what is this a part of? Say so in parts", at)
				continue
			}
			this := left[0]
			if left = left[1:]; this.of == "" {
				continue
			}
			text, err := within(this, f.text)
			if err != nil {
				t.Errorf("%s: %v", at, err)
				continue
			}
			n += load(t, at, text)
		}
		if len(left) > 0 {
			t.Errorf("%s has fewer parts of files than is said here", p.name)
		}
	}
	if n < 15 {
		t.Errorf("only %d rollouts were read", n)
	}
}

// objects are the documents of text that have a kind.
func objects(text string) ([]string, error) {
	var all []string
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		var x map[string]any
		if err := d.Decode(&x); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if x["kind"] == nil {
			continue
		}
		out, err := yaml.Marshal(x)
		if err != nil {
			return nil, err
		}
		all = append(all, string(out))
	}
}

// load reads the rollouts among objects, and returns how many there were.
func load(t *testing.T, at string, objects ...string) int {
	t.Helper()
	n := 0
	for _, text := range objects {
		if !strings.Contains(text, "kind: ModelRollout\n") {
			continue
		}
		n++
		name := filepath.Join(t.TempDir(), "rollout.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := v1alpha1.LoadAnyFile(name); err != nil {
			t.Errorf("%s: %v\n%s", at, err, text)
		}
	}
	return n
}

// within puts text into the file that it is a part of.
func within(p part, text string) (string, error) {
	var whole, x any
	if err := errors.Join(sigsyaml.Unmarshal([]byte(p.of), &whole), sigsyaml.Unmarshal([]byte(text), &x)); err != nil {
		return "", err
	}
	at := strings.Split(p.under, ".")
	for i := len(at) - 1; i >= 0 && p.under != ""; i-- {
		if at[i] == "0" {
			x = []any{x}
		} else {
			x = map[string]any{at[i]: x}
		}
	}
	out, err := yaml.Marshal(merge(whole, x))
	return string(out), err
}

// merge lays b over a, object by object and item by item.
func merge(a, b any) any {
	switch b := b.(type) {
	case map[string]any:
		if a, ok := a.(map[string]any); ok {
			a = maps.Clone(a)
			for k, v := range b {
				a[k] = merge(a[k], v)
			}
			return a
		}
	case []any:
		if a, ok := a.([]any); ok {
			a = slices.Clone(a)
			for i, v := range b {
				if i < len(a) {
					a[i] = merge(a[i], v)
				} else {
					a = append(a, v)
				}
			}
			return a
		}
	}
	return b
}

// TestExampleFiles: every file of a rollout in the repository is read.
func TestExampleFiles(t *testing.T) {
	n := 0
	for _, pattern := range []string{"examples/*/*.yaml", "deploy/*/*.yaml", "internal/*/scenarios/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "\nkind: ModelRollout\n") {
				continue
			}
			n++
			if _, err := v1alpha1.LoadAnyFile(f); err != nil {
				t.Errorf("%v", err)
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d files were read", n)
	}
}
