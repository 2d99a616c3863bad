package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test's own program stand in for podinit.
func TestMain(m *testing.M) {
	if os.Args[0] == "podinit" {
		fmt.Fprintf(os.Stderr, "%s%v\n", FailurePrefix, Enter())
		os.Exit(StartFailure)
	}
	os.Exit(m.Run())
}

// run starts s in a user namespace and returns its output and exit code.
func run(t *testing.T, s Spec) (string, int) {
	t.Helper()
	s.Root, s.Hostname = t.TempDir(), "box"
	s.Env = append(s.Env, "PATH=/usr/bin:/bin")
	cmd, err := s.Command("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = []string{"podinit"}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Launch(func(start func() error) error { return start() }); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return out.String(), cmd.ProcessState.ExitCode()
}

func TestViewOfTheMachine(t *testing.T) {
	volume := t.TempDir()
	if err := os.WriteFile(filepath.Join(volume, "f"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	mounts := []Mount{
		{Source: volume, Target: "/var/run/secrets/deep/down", ReadOnly: true},
		{Source: volume, Target: "/etc/added"},
		{Source: filepath.Join(volume, "f"), Target: "/etc/hosts", ReadOnly: true},
	}
	for _, test := range []struct{ name, script, want string }{
		{"a volume under a link of the host's", "cat /run/secrets/deep/down/f", "content"},
		{"a folder that the host does not have", "cat /etc/added/f", "content"},
		{"a file in place of the host's", "cat /etc/hosts", "content"},
		{"the rest of a split folder", "test -e /etc/passwd && echo there", "there\n"},
		{"a volume may be read-only", "touch /var/run/secrets/deep/down/x 2>/dev/null || echo refused", "refused\n"},
		{"the host may not be written", "touch /usr/x 2>/dev/null || echo refused", "refused\n"},
		{"a /tmp of its own", "ls /tmp | wc -l; touch /tmp/x && echo written", "0\nwritten\n"},
		{"none of podinit's files", "test -e /proc/$$/fd/3 || echo closed", "closed\n"},
		{"process 1 and no others", "echo $$; kill -0 2 2>/dev/null || echo alone", "1\nalone\n"},
		{"a host name", "hostname", "box\n"},
		{"no standard input", "cat", ""},
		{"a device", "echo x > /dev/null && echo written", "written\n"},
	} {
		out, code := run(t, Spec{Mounts: mounts, Argv: []string{"sh", "-c", test.script}})
		if out != test.want || code != 0 {
			t.Errorf("%s: %q and code %d, want %q", test.name, out, code, test.want)
		}
	}
	if out, code := run(t, Spec{Mounts: mounts, Argv: []string{"sh", "-c", "echo y > /etc/added/written"}}); code != 0 {
		t.Fatalf("write to a volume: %q and code %d", out, code)
	}
	if data, err := os.ReadFile(filepath.Join(volume, "written")); string(data) != "y\n" {
		t.Errorf("the host sees %q, %v in the volume", data, err)
	}
}

func TestReasonsNotToStart(t *testing.T) {
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, "the container has no command"},
		{Spec{Argv: []string{"no-such-program"}}, "executable file not found"},
		{Spec{Argv: []string{"true"}, Dir: "/no/such/folder"}, "working directory"},
		{Spec{Argv: []string{"true"}, Mounts: []Mount{{Source: "/no/such/source", Target: "/x"}}}, "mount /x"},
	} {
		out, code := run(t, test.spec)
		if code != StartFailure || !strings.HasPrefix(out, FailurePrefix) || !strings.Contains(out, test.want) {
			t.Errorf("%+v: %q and code %d, want code %d and %q", test.spec, out, code, StartFailure, test.want)
		}
	}
}

func TestExitCodeIsTheProgramsOwn(t *testing.T) {
	if _, code := run(t, Spec{Argv: []string{"sh", "-c", "exit 42"}}); code != 42 {
		t.Errorf("code %d, want 42", code)
	}
}
