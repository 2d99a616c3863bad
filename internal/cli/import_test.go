package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
)

// TestImport: what comes out is valid, and what was lost is said on standard
// error.
func TestImport(t *testing.T) {
	const fixtures = "../importer/testdata/"
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"flagger", fixtures + "flagger-istio.yaml"}, "haldane: Canary/churn spec.analysis.threshold: failed checks are not counted"},
		{[]string{"argo", fixtures + "argo-istio.yaml", "--prometheus", "http://p:9090"}, "AnalysisTemplate/success-rate spec.metrics[0].provider"},
		{[]string{"manifests", fixtures + "manifests-istio.yaml", "--name", "mine"}, "Deployment/churn-v2: is the candidate"},
	} {
		code, out, errOut := run(t, engine.Outcome{}, nil, append([]string{"import"}, tc.args...)...)
		if code != 0 || !strings.Contains(errOut, tc.says) {
			t.Fatalf("%v: exit %d, says %q", tc.args, code, errOut)
		}
		file := filepath.Join(t.TempDir(), "rollout.yaml")
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errOut := run(t, engine.Outcome{}, nil, "validate", file); code != 0 {
			t.Errorf("%v: validate: exit %d, says %q:\n%s", tc.args, code, errOut, out)
		}
	}
	for says, args := range map[string][]string{
		"from what?":         {"import"},
		"no such file":       {"import", "argo", "gone.yaml"},
		"no Rollout of argo": {"import", "argo", fixtures + "flagger-ab.yaml"},
	} {
		if code, out, errOut := run(t, engine.Outcome{}, nil, args...); code != 2 || out != "" || !strings.Contains(errOut, says) {
			t.Errorf("%v: exit %d, says %q, printed %q", args, code, errOut, out)
		}
	}
}

// TestValidateOfACluster: a file with a workload is read as the controller does.
func TestValidateOfACluster(t *testing.T) {
	text := strings.Replace(valid, `endpoints:
    stable: {version: v1, url: "http://127.0.0.1:1"}
    canary: {version: v2, url: "http://127.0.0.1:2"}`, "workload: {name: a}", 1)
	if code, _, errOut := run(t, engine.Outcome{}, nil, "validate", write(t, text)); code != 2 || !strings.Contains(errOut, "needs source.prometheus") {
		t.Errorf("exit %d, says %q", code, errOut)
	}
	text += "  analysis: {source: {prometheus: {address: \"http://p:9090\", preset: haldane}}}\n"
	if code, _, errOut := run(t, engine.Outcome{}, nil, "validate", write(t, text)); code != 0 {
		t.Errorf("exit %d, says %q", code, errOut)
	}
}
