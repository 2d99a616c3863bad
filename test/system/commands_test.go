package system

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// paused is a rollout that waits for a person once the candidate has traffic.
func paused(t *testing.T, more ...string) (l *life, file, state string) {
	t.Helper()
	text := strings.Replace(document(at(newModel(t, 0)), at(newModel(t, 0))), "{weight: 50}", "{pause: {}}, {weight: 50}", 1)
	file, state = write(t, text), filepath.Join(t.TempDir(), "state.db")
	l = start(t, file, state, more...)
	l.listening()
	drive(t).to(l.gateway)
	l.until("it paused", func(x line) bool { return x.Status != nil && x.Status.Phase == rollout.Paused })
	return l, file, state
}

// ask runs a command that asks the running program.
func (l *life) ask(command string, more ...string) (code int, out, errOut string) {
	l.t.Helper()
	return haldane(l.t, append([]string{command, "--server", l.dashboard}, more...)...)
}

// asks is ask for what must work and answer in JSON.
func asks[T any](l *life, command string, more ...string) T {
	l.t.Helper()
	code, out, errOut := l.ask(command, append(more, "-o", "json")...)
	if code != 0 || errOut != "" {
		l.t.Fatalf("%s %v: exit code %d, said %q", command, more, code, errOut)
	}
	return decode[T](l.t, []byte(out))
}

// TestCommands gives every command to a rollout, in both formats.
func TestCommands(t *testing.T) {
	t.Parallel()
	l, _, _ := paused(t)
	if all := asks[[]engine.Status](l, "get"); len(all) != 1 || all[0].Name != "strangers" {
		t.Errorf("get: %+v", all)
	}
	if all := asks[[]engine.Status](l, "get", "strangers"); len(all) != 1 || all[0].Phase != rollout.Paused {
		t.Errorf("get strangers: %+v", all)
	}
	if s := asks[engine.Status](l, "status"); s.Hold == nil || s.Hold.Kind != engine.HeldByStep || s.Links["gateway"] != l.gateway {
		t.Errorf("status: %+v", s)
	}
	if events := asks[[]rollout.Event](l, "history"); len(events) < 4 || events[0].Kind != rollout.EventStarted {
		t.Errorf("history: %+v", events)
	}
	for _, tc := range []struct{ command, says string }{
		{"get", "strangers  Paused"},
		{"status", "v2 is to replace v1"},
		{"status", "no worse"},
		{"history", "20% of requests go to v2"},
	} {
		if code, out, errOut := l.ask(tc.command); code != 0 || errOut != "" || !strings.Contains(strings.ToLower(out), strings.ToLower(tc.says)) {
			t.Errorf("%s: exit code %d, said %q, printed %q, want %q in it", tc.command, code, errOut, out, tc.says)
		}
	}
	for _, tc := range []struct {
		command string
		more    []string
		code    int
	}{
		{"resume", nil, 1}, // a step of the plan holds it
		{"retry", nil, 1},
		{"pause", []string{"--reason", "lunch"}, 0},
		{"pause", nil, 1},
		{"resume", nil, 0},
		{"promote", nil, 0},
		{"abort", []string{"--reason", "enough"}, 0},
	} {
		code, out, errOut := l.ask(tc.command, append(tc.more, "-o", "json")...)
		r := decode[rollout.Reply](t, []byte(out))
		if code != tc.code || r.Accepted != (code == 0) || r.Message == "" {
			t.Errorf("%s: exit code %d, want %d: %+v", tc.command, code, tc.code, r)
		}
		if want := "haldane: " + r.Message + "\n"; code == 1 && errOut != want || code == 0 && errOut != "" {
			t.Errorf("%s said %q", tc.command, errOut)
		}
	}
	code, last := l.outcome()
	if code != 3 || !strings.Contains(last.Outcome.Reason, "enough") {
		t.Errorf("after abort: exit code %d: %+v", code, last.Outcome)
	}
}

// TestCommandsWithoutARollout: what cannot be answered is one line.
func TestCommandsWithoutARollout(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"get", "status", "watch", "history", "promote", "pause", "resume", "abort", "retry"} {
		refused(t, 1, "no haldane answers at http://127.0.0.1:1: is `haldane run` running?", command, "--server", "http://127.0.0.1:1")
	}
	l, _, _ := paused(t)
	refused(t, 1, "gone", "status", "gone", "--server", l.dashboard)
}

// TestWatch: whoever watches ends as the rollout does, also at the very end of
// the program.
func TestWatch(t *testing.T) {
	for _, tc := range []struct {
		command string
		code    int
	}{{"promote", 0}, {"abort", 3}} {
		t.Run(tc.command, func(t *testing.T) {
			t.Parallel()
			l, _, _ := paused(t)
			var watchers []*watcher
			for _, format := range []string{"text", "json"} {
				watchers = append(watchers, watch(t, l, format))
			}
			asks[rollout.Reply](l, tc.command)
			code, _ := l.outcome()
			if code != tc.code {
				t.Errorf("the rollout ended with exit code %d, want %d", code, tc.code)
			}
			for _, w := range watchers {
				if code, errOut := w.end(); code != tc.code || errOut != "" {
					t.Errorf("watch ended with exit code %d, want %d; it said %q", code, tc.code, errOut)
				}
			}
		})
	}
}

// watcher is a `haldane watch` that has been answered.
type watcher struct {
	cmd    *exec.Cmd
	out    *bufio.Reader
	stderr bytes.Buffer
}

func watch(t *testing.T, l *life, format string) *watcher {
	t.Helper()
	w := &watcher{cmd: command(t, "watch", "--server", l.dashboard, "-o", format)}
	w.cmd.Stderr = &w.stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(deadline, func() { _ = w.cmd.Process.Kill() })
	t.Cleanup(func() { late.Stop() })
	w.out = bufio.NewReader(out)
	if first, err := w.out.ReadString('\n'); err != nil || !strings.Contains(first, "Paused") {
		t.Fatalf("watch begins with %q (%v)", first, err)
	}
	return w
}

// end reads to the end.
func (w *watcher) end() (code int, errOut string) {
	_, _ = io.Copy(io.Discard, w.out)
	_ = w.cmd.Wait()
	return w.cmd.ProcessState.ExitCode(), w.stderr.String()
}

// TestHeld: at the deadline, undecided, the program says what can be done; held
// on to, it obeys.
func TestHeld(t *testing.T) {
	t.Parallel()
	text := strings.Replace(document(at(newModel(t, 0)), at(newModel(t, 0))), "maxDuration: 100s", "maxDuration: 1s", 1)
	file, state := write(t, text), filepath.Join(t.TempDir(), "state.db")
	l := start(t, file, state)
	code, last := l.outcome()
	if code != 4 || !last.Outcome.Held || !strings.Contains(l.stderr.String(), "held at its deadline, undecided. Run it again with --hold") {
		t.Fatalf("exit code %d, %+v; it said %s", code, last.Outcome, l.stderr)
	}
	code, out, errOut := haldane(t, "run", "-f", file, "--state", state, "--api", "127.0.0.1:0")
	if code != 4 || errOut != "" || !strings.Contains(out, "v2 is held at 20% since its deadline") || !strings.Contains(out, "--hold") {
		t.Errorf("run again: exit code %d, printed %q, said %q", code, out, errOut)
	}
	l = start(t, file, state, "--hold")
	l.listening()
	if code, _, errOut := l.ask("watch"); code != 4 || errOut != "" {
		t.Errorf("watch: exit code %d, said %q; want 4", code, errOut)
	}
	asks[rollout.Reply](l, "promote", "--full")
	l.until("it was promoted", func(x line) bool { return x.Status != nil && x.Status.Phase == rollout.Promoted })
	if err := l.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code, last := l.outcome(); code != 0 {
		t.Errorf("ended by hand after the promotion: exit code %d: %+v", code, last.Outcome)
	}
}

// TestInterrupt: ended in order, it says that it can go on, and does. It is told
// twice, as timeout(1) does.
func TestInterrupt(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			l, file, state := paused(t)
			for range 2 {
				if err := l.cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
			}
			code, last := l.outcome()
			if want := "haldane: stopped before the rollout had ended: run it again to go on from here\n"; code != 1 || l.stderr.String() != want {
				t.Errorf("exit code %d, said %q; want 1 and %q", code, l.stderr, want)
			}
			if last.Outcome != nil {
				t.Errorf("an outcome: %+v", last.Outcome)
			}
			again := start(t, file, state)
			again.until("it was paused as before", func(x line) bool { return x.Status != nil && x.Status.Phase == rollout.Paused })
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	l, _, _ := paused(t, "--token", "hunter2")
	for _, more := range [][]string{nil, {"--token", "hunter3"}} {
		code, out, errOut := l.ask("status", more...)
		if code != 1 || out != "" || !strings.Contains(errOut, "wants a token") || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%v: exit code %d, printed %q, said %q", more, code, out, errOut)
		}
	}
	if code, _, errOut := l.ask("status", "--token", "hunter2"); code != 0 {
		t.Errorf("with the token: exit code %d, said %q", code, errOut)
	}
	c := command(t, "pause")
	c.Env = append(c.Env, "HALDANE_TOKEN=hunter2", "HALDANE_SERVER="+l.dashboard)
	if code, _, errOut := finish(t, c); code != 0 {
		t.Errorf("with the token in the environment: exit code %d, said %q", code, errOut)
	}
}

// TestPlainLines: in a pipe there are lines, and the models' own only when asked
// for.
func TestPlainLines(t *testing.T) {
	for _, tc := range []struct {
		level string
		noise bool
	}{{"", false}, {"info", true}, {"error", false}} {
		t.Run("level "+tc.level, func(t *testing.T) {
			t.Parallel()
			text := document(child(t, t.TempDir(), ""), child(t, t.TempDir(), ""))
			text = strings.NewReplacer("maxDuration: 100s", "maxDuration: 500ms", "onDeadline: Hold", "onDeadline: Rollback").Replace(text)
			args := runs(t, text)
			if tc.level != "" {
				args = append(args, "--log-level", tc.level)
			}
			code, out, errOut := haldane(t, args...)
			if code != 3 { // nobody sends requests, and the file says Rollback
				t.Errorf("exit code %d, want 3", code)
			}
			if strings.ContainsAny(out, "\x1b\r") || !strings.HasPrefix(out, "Gateway    http://") || !strings.Contains(out, "RolledBack") {
				t.Errorf("printed %q", out)
			}
			if got := strings.Contains(errOut, "a line of the model's own"); got != tc.noise {
				t.Errorf("said %q; the models' own lines in it: %t, want %t", errOut, got, tc.noise)
			}
			if !tc.noise && errOut != "" {
				t.Errorf("said %q, want nothing", errOut)
			}
		})
	}
}

// TestOffline: the commands that ask nobody.
func TestOffline(t *testing.T) {
	t.Parallel()
	file := write(t, good)
	for _, args := range [][]string{{"version"}, {"validate", file}, {"completion", "bash"}, {"help"}, {"run", "--help"}} {
		if code, out, errOut := haldane(t, args...); code != 0 || out == "" || errOut != "" {
			t.Errorf("%v: exit code %d, printed %q, said %q", args, code, out, errOut)
		}
	}
	for _, args := range [][]string{{"version", "-o", "json"}, {"validate", file, "-o", "json"}} {
		code, out, errOut := haldane(t, args...)
		if code != 0 || errOut != "" || !json.Valid([]byte(out)) {
			t.Errorf("%v: exit code %d, printed %q, said %q", args, code, out, errOut)
		}
	}
	c := command(t, "run", "-f", "-", "--state", filepath.Join(t.TempDir(), "a.db"))
	c.Stdin = bytes.NewBufferString(strings.Replace(good, "routing", "ruting", 1))
	if code, _, errOut := finish(t, c); code != 2 || !strings.Contains(errOut, "standard input:9: spec.ruting") {
		t.Errorf("from standard input: exit code %d, said %q", code, errOut)
	}
}
