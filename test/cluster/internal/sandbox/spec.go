package sandbox

import (
	"encoding/json"
	"fmt"
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

// Command returns the command that starts s by way of the podinit program. Its
// output and network namespace are the caller's to choose.
func (s Spec) Command(podinit string) (*exec.Cmd, error) {
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
	return cmd, nil
}

// read takes the Spec from standard input and gives the container an empty
// one in its place.
func read() (Spec, error) {
	var s Spec
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		return s, fmt.Errorf("read the container's description: %w", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return s, fmt.Errorf("empty the standard input: %w", err)
	}
	return s, syscall.Dup3(int(null.Fd()), 0, 0)
}
