package system

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// full makes every write of the program to a file fail, as on a full disk, and
// not any more. The kernel's limit on file sizes does that for one process and
// asks for no rights.
func full(t *testing.T, l *life, yes bool) {
	t.Helper()
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if yes {
		limit.Cur = 0
	}
	if err := unix.Prlimit(l.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
}

func warns(x line, of string) bool {
	return x.Status != nil && strings.Contains(strings.Join(x.Status.Warnings, "\n"), of)
}

func TestDiskFullAtTheStart(t *testing.T) {
	t.Parallel()
	c := command(t)
	args := append([]string{"-c", `ulimit -f 0; exec "$0" "$@"`, binary}, runs(t, good)...)
	sh := exec.CommandContext(t.Context(), "sh", args...)
	sh.Dir, sh.Env = c.Dir, c.Env
	code, out, errOut := finish(t, sh)
	if code != 1 || out != "" || strings.Count(errOut, "\n") != 1 || !strings.Contains(errOut, "create the database") || !strings.Contains(errOut, "file too large") {
		t.Errorf("exit code %d, printed %q, said %q; want 1 and one line", code, out, errOut)
	}
}

// TestDiskFullMeanwhile: while nothing can be saved nothing new is done, and the
// rollout goes on when there is room again.
func TestDiskFullMeanwhile(t *testing.T) {
	t.Parallel()
	l := start(t, write(t, document(at(newModel(t, 0)), at(newModel(t, 0)))), filepath.Join(t.TempDir(), "state.db"))
	l.listening()
	l.until("the candidate had traffic", func(x line) bool { return x.Status != nil && x.Status.Observed.Canary > 0 })
	full(t, l, true)
	d := drive(t)
	d.to(l.gateway)
	at := l.until("it warned", func(x line) bool { return warns(x, "cannot be saved, so nothing new is done") }).Status.Wanted.Canary
	for range 5 {
		x := l.until("it went on", func(x line) bool { return x.Status != nil })
		if w := x.Status.Wanted.Canary; w != at {
			t.Errorf("%s is wanted on a full disk, after %s", w, at)
		}
	}
	full(t, l, false)
	l.until("the warning ended", func(x line) bool { return x.Status != nil && !warns(x, "saved") })
	if code, last := l.outcome(); code != 0 {
		t.Errorf("exit code %d: %+v", code, last.Outcome)
	}
}

// TestDiskFullKeepsNobodyOnABadModel: traffic is taken off a failing candidate
// though nothing can be saved, and after a crash before that the saved weight
// counts again, and the failures are found again.
func TestDiskFullKeepsNobodyOnABadModel(t *testing.T) {
	t.Parallel()
	bad := newModel(t, 0)
	file, state := write(t, document(at(newModel(t, 0)), at(bad))), filepath.Join(t.TempDir(), "state.db")
	l := start(t, file, state)
	l.listening()
	d := drive(t)
	d.to(l.gateway)
	l.until("requests counted", func(x line) bool {
		return x.Status != nil && len(x.Status.Verdict.Metrics) > 0 && x.Status.Verdict.Metrics[0].CanaryN > 0
	})
	full(t, l, true)
	bad.failing.Store(100)
	l.until("traffic was taken off", func(x line) bool {
		return warns(x, "not saved") && x.Status.Phase == rollout.RollingBack && x.Status.Observed.Canary == 0
	})
	l.kill()
	found := (&story{t: t, state: state}).saved()
	if found.Phase != rollout.Progressing || found.Want.Split.Canary == 0 {
		t.Fatalf("the state is %s with %s: the test has not filled the disk", found.Phase, found.Want.Split.Canary)
	}
	again := start(t, file, state)
	again.listening()
	d.to(again.gateway)
	if code, last := again.outcome(); code != 3 || !strings.Contains(last.Outcome.Reason, "errors") {
		t.Errorf("exit code %d, want 3 because of errors: %+v", code, last.Outcome)
	}
}
