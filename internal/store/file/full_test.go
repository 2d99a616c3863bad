//go:build unix

package file_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/store/file"
	"github.com/haldane-dev/haldane/internal/store/storetest"
)

// The tests below run this binary again as a process of its own, because a
// limit on the size of files and a kill -9 strike the whole process.
const role = "HALDANE_STORE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "full":
		os.Exit(fillUp(os.Args[1]))
	case "writer":
		os.Exit(writeForever(os.Args[1]))
	}
	os.Exit(m.Run())
}

func child(t *testing.T, as, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, path)
	c.Env = append(os.Environ(), role+"="+as)
	return c
}

// TestDiskFull: a Save that finds no room says so, the state before it stays,
// and once there is room the next Save goes through.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haldane.db")
	if out, err := child(t, "full", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := open(t, path, file.Options{})
	if st, v, err := s.Load(t.Context(), "churn"); err != nil || v != 2 || st.Reason != "there is room again" {
		t.Errorf("afterwards: version %d, %q, %v", v, st.Reason, err)
	}
}

func fillUp(path string) int {
	// Without this the kernel's signal would end the process before write can
	// say that the file may not grow.
	signal.Ignore(syscall.SIGXFSZ)
	if err := fillUpSteps(path); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func fillUpSteps(path string) error {
	ctx := context.Background()
	s, err := file.Open(path, file.Options{})
	if err != nil {
		return err
	}
	st := storetest.Example()
	v, err := s.Save(ctx, "churn", st, 0)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	full := limit
	full.Cur = uint64(info.Size())
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	big := st
	big.Reason = strings.Repeat("no room for this ", 10000)
	for range 3 {
		if _, err := s.Save(ctx, "churn", big, v); err == nil || errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), path) {
			return fmt.Errorf("saving with no room: %v", err)
		}
		if got, is, err := s.Load(ctx, "churn"); err != nil || is != v || got.Reason != st.Reason {
			return fmt.Errorf("after a save with no room: version %d, %v", is, err)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	st.Reason = "there is room again"
	if _, err := s.Save(ctx, "churn", st, v); err != nil {
		return fmt.Errorf("saving with room again: %w", err)
	}
	return s.Close()
}

// TestKilled: a process that is killed at any moment leaves a file that opens
// and holds the newest state whose Save had returned, or the one after it.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haldane.db")
	var last int
	for round := range 5 {
		c := child(t, "writer", path)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 7+3*round && lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatalf("the writer says %q", lines.Text())
			}
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it had saved before it died
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatalf("the writer said %q", lines.Text())
			}
		}
		_ = c.Wait() // it was killed
		s, err := file.Open(path, file.Options{})
		if err != nil {
			t.Fatalf("after kill %d: %v", round, err)
		}
		st, _, err := s.Load(t.Context(), "churn")
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		if st.Step != last && st.Step != last+1 {
			t.Fatalf("after kill %d: step %d is stored, the save of %d had returned", round, st.Step, last)
		}
	}
}

func writeForever(path string) int {
	s, err := file.Open(path, file.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	st, v, err := s.Load(ctx, "churn")
	for err == nil {
		st = rollout.State{Version: 1, Step: st.Step + 1}
		v, err = s.Save(ctx, "churn", st, v)
		if err == nil {
			fmt.Println(st.Step)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
