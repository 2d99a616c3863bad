package argocd

import (
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"go.yaml.in/yaml/v3"
)

// scripts are the checks as Argo CD would find them, by kind.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Data map[string]string }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for key, script := range file.Data {
		if kind, ok := strings.CutPrefix(key, "resource.customizations.health.haldane.dev_"); ok {
			out[kind] = script
		}
	}
	return out
}

// health runs a script on an object, with no libraries beyond those that Argo CD
// opens.
func health(t *testing.T, script, object string) (status, message string) {
	t.Helper()
	var obj any
	if err := yaml.Unmarshal([]byte(object), &obj); err != nil {
		t.Fatal(err)
	}
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for _, lib := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(lib.open), Protect: true}, lua.LString(lib.name)); err != nil {
			t.Fatal(err)
		}
	}
	l.SetGlobal("obj", value(l, obj))
	if err := l.DoString(script); err != nil {
		t.Fatalf("%v in\n%s", err, script)
	}
	hs, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("it returns a %s", l.Get(-1).Type())
	}
	return hs.RawGetString("status").String(), hs.RawGetString("message").String()
}

func value(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case map[string]any:
		t := l.NewTable()
		for k, x := range v {
			t.RawSetString(k, value(l, x))
		}
		return t
	case []any:
		t := l.NewTable()
		for _, x := range v {
			t.Append(value(l, x))
		}
		return t
	case string:
		return lua.LString(v)
	case int:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	}
	return lua.LNil
}

func TestHealth(t *testing.T) {
	all := scripts(t)
	const ready = `conditions: [{type: Ready, status: "True", message: fine}], observedGeneration: 2`
	for name, tc := range map[string]struct{ kind, object, status, message string }{
		"new":          {"ModelRollout", `{metadata: {generation: 1}}`, "Progressing", "waiting for the controller"},
		"edited":       {"ModelRollout", `{metadata: {generation: 3}, status: {phase: Promoted, ` + ready + `}}`, "Progressing", "waiting for the controller"},
		"idle":         {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Idle, ` + ready + `}}`, "Healthy", "Idle"},
		"initializing": {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Initializing, waiting: "Waiting for pods", ` + ready + `}}`, "Progressing", "Waiting for pods"},
		"progressing":  {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Progressing, step: 2/4, waiting: "Waiting for evidence", ` + ready + `}}`, "Progressing", "step 2/4: Waiting for evidence"},
		"paused":       {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Paused, step: 3/4, waiting: "Waiting for a person", ` + ready + `}}`, "Suspended", "step 3/4: Waiting for a person"},
		"promoting":    {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Promoting, ` + ready + `}}`, "Progressing", "Promoting"},
		"promoted":     {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Promoted, reason: "Every step passed", ` + ready + `}}`, "Healthy", "Every step passed"},
		"completing":   {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Completing, reason: "All pairs agreed", ` + ready + `}}`, "Progressing", "All pairs agreed"},
		"completed":    {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Completed, reason: "All pairs agreed", ` + ready + `}}`, "Healthy", "All pairs agreed"},
		"rolling back": {"ModelRollout", `{metadata: {generation: 2}, status: {phase: RollingBack, reason: "errors rose", ` + ready + `}}`, "Progressing", "errors rose"},
		"rolled back":  {"ModelRollout", `{metadata: {generation: 2}, status: {phase: RolledBack, reason: "errors rose", ` + ready + `}}`, "Degraded", "errors rose"},
		"not ready":    {"ModelRollout", `{metadata: {generation: 2}, status: {phase: Progressing, observedGeneration: 2, conditions: [{type: Promoted, status: "False"}, {type: Ready, status: "False", message: "no such route"}]}}`, "Degraded", "no such route"},
		"asked":        {"RolloutCommand", `{metadata: {}}`, "Progressing", "waiting for an answer"},
		"accepted":     {"RolloutCommand", `{status: {outcome: Accepted, message: "going on"}}`, "Healthy", "going on"},
		"rejected":     {"RolloutCommand", `{status: {outcome: Rejected, message: "nothing to promote"}}`, "Degraded", "nothing to promote"},
	} {
		t.Run(name, func(t *testing.T) {
			status, message := health(t, all[tc.kind], tc.object)
			if status != tc.status || message != tc.message {
				t.Errorf("%s: %s, want %s: %s", status, message, tc.status, tc.message)
			}
		})
	}
}
