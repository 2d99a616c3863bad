package system

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store/file"
)

// good is a file with nothing wrong in it, of models that nobody runs.
var good = document(`url: "http://127.0.0.1:1"`, `url: "http://127.0.0.1:1/v2"`)

// refused runs the program, which must end with a code and say why in one line.
func refused(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	got, out, errOut := haldane(t, args...)
	if got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	if out != "" {
		t.Errorf("printed %q, want nothing", out)
	}
	if strings.Count(errOut, "\n") != 1 || !strings.HasPrefix(errOut, "haldane: ") || len(errOut) > 400 {
		t.Errorf("said %q, want one line", errOut)
	}
	if !strings.Contains(errOut, says) {
		t.Errorf("said %q, want %q in it", errOut, says)
	}
}

// run is the command line of a rollout file, with a state of its own.
func runs(t *testing.T, text string, more ...string) []string {
	t.Helper()
	return append([]string{"run", "-f", write(t, text), "--state", filepath.Join(t.TempDir(), "state.db"), "--api", "127.0.0.1:0"}, more...)
}

func TestBadFiles(t *testing.T) {
	for _, tc := range []struct{ name, old, new, says string }{
		{"unknown field", "routing:", "ruting:", "rollout.yaml:9: spec.ruting: unknown field: did you mean routing?"},
		{"wrong type", "weight: 20", "weight: many", `spec.strategy.canary.steps[0].weight: "many" is no percentage`},
		{"list for fields", `routing: {gateway: {listen: "127.0.0.1:0"}}`, "routing: []", "spec.routing: is a list: write fields"},
		{"two strategies", "strategy: {", "strategy: {shadow: {}, ", "spec.strategy.shadow: contradicts canary: keep exactly one"},
		{"falling weights", "weight: 50", "weight: 10", "spec.strategy.canary.steps[1].weight: falls from 20% to 10%"},
		{"no metric of that name", "errorRate: {maxIncrease: 10pp}", "errorRates: {}", "did you mean errorRate?"},
		{"no such kind", "kind: ModelRollout", "kind: Deployment", "kind"},
		{"cohort without its file", "listen: \"127.0.0.1:0\"}", "listen: \"127.0.0.1:0\"}, cohorts: [{name: a, file: gone.txt}]", "spec.routing.cohorts[0].file: open"},
		{"country without its database", "listen: \"127.0.0.1:0\"}", "listen: \"127.0.0.1:0\"}, country: {database: gone.mmdb}", "gone.mmdb"},
		{"empty", good, "", "empty: write a ModelRollout"},
		{"no YAML", good, "a: [", "line 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(good, tc.old, tc.new, 1)
			if text == good {
				t.Fatalf("%q is not in the file", tc.old)
			}
			refused(t, 2, tc.says, runs(t, text)...)
		})
	}
}

func TestBadFlags(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "gone.yaml")
	for _, tc := range []struct {
		name, says string
		args       []string
	}{
		{"no file", "give its file with -f", []string{"run"}},
		{"a file that is not there", "no such file", []string{"run", "-f", missing}},
		{"a folder", "is a directory", []string{"run", "-f", t.TempDir()}},
		{"unknown flag", "unknown flag: --wat", []string{"run", "--wat"}},
		{"unknown command", `unknown command "rum"`, []string{"rum"}},
		{"no token beyond loopback", "set a token, or listen on 127.0.0.1", append(runs(t, good), "--api", "0.0.0.0:0")},
		{"no address", "--api", append(runs(t, good), "--api", "nonsense")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			refused(t, 2, tc.says, tc.args...)
		})
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken := l.Addr().String()
	refused(t, 1, "the API's address: listen tcp "+taken, append(runs(t, good), "--api", taken)...)
	refused(t, 1, "spec.routing.gateway.listen: listen tcp "+taken, runs(t, strings.Replace(good, "127.0.0.1:0", taken, 1))...)
}

// TestBadState: what the program cannot trust it leaves as it is.
func TestBadState(t *testing.T) {
	whole := func(t *testing.T) []byte { return read(t, saved(t, rollout.State{Version: rollout.StateVersion})) }
	for _, tc := range []struct {
		name, says string
		content    func(*testing.T) []byte
	}{
		{"a newer file", "written by a newer version of haldane (format 99; this version reads 1): use that version, or move the file away", func(t *testing.T) []byte {
			name := saved(t, rollout.State{})
			db, err := bolt.Open(name, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("haldane")).Put([]byte("format"), []byte("99")) })
			if err != nil || db.Close() != nil {
				t.Fatal(err)
			}
			return read(t, name)
		}},
		{"a newer state in it", "written by a newer version of haldane", func(t *testing.T) []byte {
			return read(t, saved(t, rollout.State{Version: rollout.StateVersion + 1}))
		}},
		{"cut short", "cut short: 8192 bytes", func(t *testing.T) []byte { return whole(t)[:8192] }},
		{"cut in the first page", "damaged", func(t *testing.T) []byte { return whole(t)[:100] }},
		{"empty", "damaged (it is empty)", func(*testing.T) []byte { return nil }},
		{"something else", "does not begin as a database does", func(*testing.T) []byte { return []byte("name,age\nann,7\n") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "state.db")
			before := tc.content(t)
			if err := os.WriteFile(name, before, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, 1, tc.says, append(runs(t, good), "--state", name)...)
			if !bytes.Equal(read(t, name), before) {
				t.Error("the file was changed")
			}
		})
	}
}

// saved makes a state file that holds s.
func saved(t *testing.T, s rollout.State) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "state.db")
	db, err := file.Open(name, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Save(t.Context(), "strangers", s, 0); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStateThatCannotBeMade(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, state, says string }{
		{"below a file", filepath.Join(plain, "a.db"), "--state"},
		{"a folder", t.TempDir(), "is not a file"},
		{"in a folder that is closed", filepath.Join(closed, "a.db"), "permission denied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if os.Geteuid() == 0 && strings.Contains(tc.says, "permission") {
				t.Skip("nothing is closed to root")
			}
			refused(t, 1, tc.says, append(runs(t, good), "--state", tc.state)...)
		})
	}
}

// TestStateInUse: two programs never share a state.
func TestStateInUse(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state.db")
	l := start(t, write(t, good), state)
	l.listening()
	refused(t, 1, state+" is in use by another process", append(runs(t, good), "--state", state)...)
}

// TestUnreachable: a model that nobody runs is waited for, as long as the file
// says, and the reason names where it was looked for.
func TestUnreachable(t *testing.T) {
	quick := func(stable, canary string) string {
		return strings.Replace(document(stable, canary), "scaleDownDelay", "readyWithin: 1s, scaleDownDelay", 1)
	}
	for _, tc := range []struct {
		name string
		text func(t *testing.T) string
		says string
	}{
		{"candidate", func(t *testing.T) string { return quick(at(newModel(t, 0)), `url: "http://127.0.0.1:1"`) }, "nothing listens on 127.0.0.1:1"},
		{"a command that is not there", func(t *testing.T) string { return quick(at(newModel(t, 0)), "command: [/no/such/program]") }, "/no/such/program"},
		{"a command that fails", func(t *testing.T) string {
			return quick(at(newModel(t, 0)), "command: [sh, -c, 'echo the weights are missing; exit 7']")
		}, "the weights are missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := start(t, write(t, tc.text(t)), filepath.Join(t.TempDir(), "state.db"))
			code, last := l.outcome()
			if code != 3 || last.Outcome == nil || !strings.Contains(last.Outcome.Reason, tc.says) {
				t.Errorf("exit code %d, last line %+v; want 3 because of %s", code, last.Outcome, tc.says)
			}
		})
	}
}

// TestEnded: a rollout that has ended is not begun again by accident.
func TestEnded(t *testing.T) {
	for _, tc := range []struct {
		name    string
		failing int
		code    int
		says    []string
	}{
		{"promoted", 0, 0, []string{"v2 was promoted at ", "Name it as stable"}},
		{"rolled back", 60, 3, []string{"v2 was taken back at ", "canary errors", "--retry", "another version"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			name, state := write(t, document(at(newModel(t, 0)), at(newModel(t, tc.failing)))), filepath.Join(t.TempDir(), "state.db")
			d := drive(t)
			l := start(t, name, state)
			l.listening()
			d.to(l.gateway)
			if code, last := l.outcome(); code != tc.code {
				t.Fatalf("exit code %d, want %d: %+v", code, tc.code, last.Outcome)
			}
			before := read(t, state)
			code, out, errOut := haldane(t, "run", "-f", name, "--state", state, "--api", "127.0.0.1:0")
			if code != tc.code || errOut != "" || strings.Count(out, "\n") != 1 {
				t.Errorf("run again: exit code %d, printed %q, said %q; want %d and one line", code, out, errOut, tc.code)
			}
			for _, s := range tc.says {
				if !strings.Contains(out, s) {
					t.Errorf("printed %q, want %q in it", out, s)
				}
			}
			if !bytes.Equal(read(t, state), before) {
				t.Error("the state was changed")
			}
			if tc.code == 0 {
				refused(t, 1, "v2 is promoted: nothing to retry", "run", "-f", name, "--state", state, "--api", "127.0.0.1:0", "-o", "json", "--retry")
			}
		})
	}
}

// TestRetry runs a rolled-back version again, mended meanwhile.
func TestRetry(t *testing.T) {
	t.Parallel()
	bad := newModel(t, 60)
	name, state := write(t, document(at(newModel(t, 0)), at(bad))), filepath.Join(t.TempDir(), "state.db")
	d := drive(t)
	for _, life := range []struct {
		more []string
		code int
	}{{nil, 3}, {[]string{"--retry"}, 0}} {
		l := start(t, name, state, life.more...)
		l.listening()
		d.to(l.gateway)
		code, last := l.outcome()
		if code != life.code {
			t.Fatalf("%v: exit code %d: %+v", life.more, code, last.Outcome)
		}
		bad.failing.Store(0)
	}
}
