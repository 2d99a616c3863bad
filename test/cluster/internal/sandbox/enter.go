package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Enter reads a Spec from standard input, builds the container's view and
// replaces the calling process by the container's program. It returns only on
// failure.
func Enter() error {
	s, err := read()
	if err != nil {
		return err
	}
	// Nothing mounted from here on is seen by anyone else.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leave the host's mounts: %w", err)
	}
	if err := buildRoot(s.Root, s.Mounts); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := unix.Chroot(s.Root); err != nil {
		return fmt.Errorf("enter the container's root: %w", err)
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("enter the working directory: %w", err)
	}
	path, err := lookPath(s)
	if err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", path, unix.Exec(path, s.Argv, s.Env))
}

func lookPath(s Spec) (string, error) {
	if len(s.Argv) == 0 {
		return "", errors.New("the container has no command")
	}
	for _, e := range s.Env {
		if value, ok := cutEnv(e, "PATH"); ok {
			_ = os.Setenv("PATH", value)
		}
	}
	path, err := exec.LookPath(s.Argv[0])
	if err != nil {
		return "", fmt.Errorf("find the program: %w", err)
	}
	return filepath.Abs(path)
}

func cutEnv(entry, name string) (string, bool) {
	if len(entry) > len(name) && entry[:len(name)] == name && entry[len(name)] == '=' {
		return entry[len(name)+1:], true
	}
	return "", false
}
