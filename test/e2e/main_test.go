package e2e

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

// programs is the folder of what the tests run. It lies below the repository:
// a pod has a /tmp of its own.
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
	root, err := filepath.Abs("../..")
	if err != nil {
		return 0, err
	}
	cache := filepath.Join(root, ".cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return 0, err
	}
	programs, err = os.MkdirTemp(cache, "e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(programs) }()
	for pkg, dir := range map[string]string{"./cmd/haldane": root, "./model": "."} {
		cmd := exec.Command("go", "build", "-o", programs+"/", pkg)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return m.Run(), nil
}
