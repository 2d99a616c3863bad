package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is far longer than anything here takes, even on a busy machine.
const patience = 3 * time.Minute

// programs is the folder of what the tests run and write. It lies below the
// repository: a pod has a /tmp of its own, and kustomize takes no folder that
// is not reached by a relative path.
var programs string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return 0, err
	}
	cache := filepath.Join(root, ".cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return 0, err
	}
	programs, err = os.MkdirTemp(cache, "install-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(programs) }()
	for _, pkg := range []string{"./cmd/haldane", "./examples/churn/serve"} {
		cmd := exec.Command("go", "build", "-o", programs+"/", pkg)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	// As a plugin of kubectl it is the same program by another name.
	if err := os.Symlink("haldane", filepath.Join(programs, "kubectl-haldane")); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// overlay is a folder with a kustomization on top of the namespaced manifests.
func overlay(t *testing.T, text string) string {
	t.Helper()
	dir, err := os.MkdirTemp(programs, "overlay-")
	if err != nil {
		t.Fatal(err)
	}
	text = "resources: [" + upTo(t, filepath.Join(deploy, "namespaced")) + "]\n" + text
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// upTo is the way from an overlay to a folder.
func upTo(t *testing.T, dir string) string {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	way, err := filepath.Rel(filepath.Join(programs, "overlay"), dir)
	if err != nil {
		t.Fatal(err)
	}
	return way
}
