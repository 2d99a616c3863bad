package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/cli"
)

// TestNoCluster: who has no kubeconfig, or names one that is none, is told so.
func TestNoCluster(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("no: [yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kubeconfig, says string
	}{
		{"", "find the cluster: there is no kubeconfig: "},
		{"/nowhere/config", "/nowhere/config"},
		{bad, bad},
	} {
		if _, err := Cluster(cli.ClusterOptions{Kubeconfig: c.kubeconfig}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.kubeconfig, err)
		}
		if _, _, err := connection(c.kubeconfig); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q, the controller: %v", c.kubeconfig, err)
		}
	}
}
