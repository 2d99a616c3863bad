package examples

import (
	"os"
	"regexp"
	"testing"

	"cel.dev/cel-go/cel"
	"sigs.k8s.io/yaml"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestFluxExpressions reads the expressions of docs/pipelines.md and asks them
// about every phase: exactly one holds, and the right one.
func TestFluxExpressions(t *testing.T) {
	text, err := os.ReadFile("../../docs/pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)## Flux.*?```yaml\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("there is no example")
	}
	var doc struct {
		Spec struct {
			HealthCheckExprs []struct{ InProgress, Failed, Current string }
		}
	}
	if err := yaml.Unmarshal(m[1], &doc); err != nil || len(doc.Spec.HealthCheckExprs) != 1 {
		t.Fatalf("%v: %+v", err, doc)
	}
	x := doc.Spec.HealthCheckExprs[0]
	order := []struct{ name, expr string }{{"inProgress", x.InProgress}, {"failed", x.Failed}, {"current", x.Current}}
	want := map[rollout.Phase]string{"": "inProgress", rollout.Idle: "current", rollout.Promoted: "current", rollout.Completed: "current", rollout.RolledBack: "failed"}
	for _, p := range append(rollout.Phases(), "") {
		status := map[string]any{"observedGeneration": 2}
		if p != "" {
			status["phase"] = string(p)
		}
		expected := want[p]
		if expected == "" {
			expected = "inProgress"
		}
		for _, o := range order {
			if holds(t, o.expr, status, 2) {
				if o.name != expected {
					t.Errorf("%q is %s, want %s", p, o.name, expected)
				}
				break
			}
		}
		if !holds(t, x.InProgress, status, 3) {
			t.Errorf("%q of an older generation is not in progress", p)
		}
	}
}

func holds(t *testing.T, expr string, status map[string]any, generation int) bool {
	t.Helper()
	env, err := cel.NewEnv(cel.Variable("status", cel.DynType), cel.Variable("metadata", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	ast, issues := env.Compile(expr)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	program, err := env.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := program.Eval(map[string]any{"status": status, "metadata": map[string]any{"generation": generation}})
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return out.Value() == true
}
