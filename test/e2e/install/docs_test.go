package install

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var block = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// testDocumentation: the API server takes every manifest of docs/kubernetes.md.
func testDocumentation(t *testing.T, w world) {
	text, err := os.ReadFile("../../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	me, taken := strings.TrimSpace(w.Kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")), 0
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(m[1], "\nkind: ") {
			continue // a part of one, or a kustomization
		}
		taken++
		manifest := strings.ReplaceAll(m[1], "anna@example.com", me) // signed by whoever creates it
		cmd := w.KubectlCommand(t.Context(), "create", "--dry-run=server", "-f", "-")
		cmd.Stdin = strings.NewReader(strings.NewReplacer("name: churn}", "name: churn-of-the-docs}",
			"name: churn,", "name: churn-of-the-docs,", "rollout: churn,", "rollout: churn-of-the-docs,").Replace(manifest))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, m[1])
		}
	}
	if taken != 3 {
		t.Errorf("%d manifests were found, want the model, the rollout and a command", taken)
	}
}
