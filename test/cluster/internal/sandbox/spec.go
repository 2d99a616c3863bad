package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// StartFailure is the exit code of podinit when the container's program could
// not be started at all. The reason is the last line of the output, after
// FailurePrefix.
const (
	StartFailure  = 128
	FailurePrefix = "podinit: "
)

// launched is the file that the program does not inherit from podinit; its
// closing tells Launch that podinit has done its work.
const launched = 3

// Spec describes a container's process.
type Spec struct {
	Root     string  // an existing folder on which the container's root is put together
	Mounts   []Mount // in any order
	Hostname string
	Dir      string // working directory; / if empty
	Argv     []string
	Env      []string
}

// Mount shows the file or folder Source of the host at Target.
type Mount struct {
	Source   string
	Target   string
	ReadOnly bool
}

// Process is a container's process, ready to start.
type Process struct {
	*exec.Cmd
}

// Command returns the process that becomes s by way of the podinit program.
// Its output is the caller's to choose, before Launch.
func (s Spec) Command(podinit string) (*Process, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("describe the container: %w", err)
	}
	cmd := exec.Command(podinit)
	cmd.Stdin = strings.NewReader(string(data))
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setpgid:    true,
	}
	return &Process{Cmd: cmd}, nil
}

// Launch starts the process on a thread that in chooses, and returns once its
// view is complete, so that whoever enters it from then on sees that view and
// not the machine's. That podinit failed is told by the process's end alone.
func (p *Process) Launch(in func(func() error) error) error {
	entered, inherited, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer entered.Close()
	p.ExtraFiles = []*os.File{inherited}
	err = in(p.Start)
	_ = inherited.Close()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, entered)
	return err
}

// read takes the Spec from standard input and gives the container an empty
// one in its place.
func read() (Spec, error) {
	var s Spec
	syscall.CloseOnExec(launched)
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		return s, fmt.Errorf("read the container's description: %w", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return s, fmt.Errorf("empty the standard input: %w", err)
	}
	return s, syscall.Dup3(int(null.Fd()), 0, 0)
}
