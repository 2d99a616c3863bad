package system

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// child is the endpoint of a model that Haldane starts: this test binary.
func child(t *testing.T, marks, more string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`command: [%q], env: {%s: "0", MARKS: %q%s}`, self, modelVariable, marks, more)
}

// running returns the processes that left marks and have not ended.
func running(t *testing.T, marks string) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir(marks)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// alive reports whether a process exists and has not ended unreaped.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(after, "Z")
}

// gone waits until no process that left marks runs.
func gone(t *testing.T, marks string) {
	t.Helper()
	for end := time.Now().Add(deadline); len(running(t, marks)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("processes %v outlive the program", running(t, marks))
		}
	}
}

// TestKillTakesTheModelsAlong kills the program in the middle of a rollout of
// models that it has started. They end with it, and those that take their place
// answer: at ports of their own, or at the one that the file names.
func TestKillTakesTheModelsAlong(t *testing.T) {
	for _, tc := range []struct {
		name string
		url  func(*testing.T) string // of the candidate
	}{
		{"free ports", func(*testing.T) string { return "" }},
		{"a port of the file", func(t *testing.T) string {
			return fmt.Sprintf(`url: "http://%s", `, freeAddress(t))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			marks := t.TempDir()
			file := write(t, document(child(t, marks, ""), tc.url(t)+child(t, marks, "")))
			state := filepath.Join(t.TempDir(), "state.db")
			d := drive(t)
			seen := map[int]bool{}
			for _, event := range []rollout.EventKind{rollout.EventReady, rollout.EventStep} {
				l := start(t, file, state)
				l.listening()
				d.to(l.gateway)
				// The event may be one that an earlier life did not get to tell.
				happened := false
				l.until("both models ran after "+string(event), func(x line) bool {
					happened = happened || x.Event != nil && x.Event.Kind == event || x.Block != nil && x.Block.Weight > 0
					return happened && len(running(t, marks)) == 2
				})
				now := running(t, marks)
				for _, pid := range now {
					if seen[pid] {
						t.Errorf("process %d is of an earlier life", pid)
					}
					seen[pid] = true
				}
				l.kill()
				gone(t, marks)
			}
			l := start(t, file, state)
			l.listening()
			d.to(l.gateway)
			if code, last := l.outcome(); code != 0 {
				t.Errorf("it ended with exit code %d: %+v", code, last.Outcome)
			}
			if left := running(t, marks); len(left) > 0 {
				t.Errorf("processes %v outlive the program", left)
			}
		})
	}
}

// TestKillIsNotHeldAgainstASlowModel kills the program while the candidate has
// traffic. The candidate takes longer to come back than stable, which is nothing
// that its requests say about it.
func TestKillIsNotHeldAgainstASlowModel(t *testing.T) {
	t.Parallel()
	marks := t.TempDir()
	file := write(t, document(child(t, marks, ""), child(t, marks, ", SLOW: 2s")))
	state := filepath.Join(t.TempDir(), "state.db")
	d := drive(t)
	l := start(t, file, state)
	l.listening()
	d.to(l.gateway)
	l.until("the candidate had traffic", func(x line) bool { return x.Status != nil && x.Status.Observed.Canary > 0 })
	l.kill()
	again := start(t, file, state)
	again.listening()
	d.to(again.gateway)
	if code, last := again.outcome(); code != 0 {
		t.Errorf("a good candidate ended with exit code %d: %+v", code, last.Outcome)
	}
}
