package examples

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs is the folder with the built examples, each by its folder's name.
var programs string

// The rollouts mostly wait for evidence, so that more of them than there are
// processors can go on side by side.
const sideBySide = "5"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code, err := withPrograms(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withPrograms builds the examples, as `go run` does, and runs the tests.
func withPrograms(m *testing.M) (code int, err error) {
	if programs, err = os.MkdirTemp("", "haldane-examples-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(programs)
	build := exec.Command("go", "build", "-o", programs+string(filepath.Separator))
	files, err := filepath.Glob("../../examples/*/main.go")
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		build.Args = append(build.Args, filepath.ToSlash(filepath.Dir(f)))
	}
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("build the examples: %w", err)
	}
	return m.Run(), nil
}
