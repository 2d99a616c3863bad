package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestEdits: a change of the file is said, a broken one with what is wrong, and
// putting it back, touched or not, ends the warning.
func TestEdits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollout.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(document)
	e := watchEdits(path)
	clock := time.Now()
	e.now = func() time.Time { return clock }
	says := func(want string) {
		t.Helper()
		clock = clock.Add(editsEvery)
		all := strings.Join(e.warnings(), "\n")
		if (want == "") != (all == "") || !strings.Contains(all, want) {
			t.Errorf("it says %q, want %q", all, want)
		}
	}
	says("")
	write(document + "# a remark\n")
	says("rollout.yaml has changed: this rollout goes on by what it said when it was read. Run haldane again")
	says("has changed") // and goes on saying so
	write(strings.Replace(document, "weight: 5,", "wieght: 5,", 1) + "# and a remark of another length\n")
	says("steps[0].wieght: unknown field: did you mean weight?")
	write(document)
	says("")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	says("rollout.yaml is gone")
	write(document)
	says("")
}

func TestEditsOfNoFile(t *testing.T) {
	for _, path := range []string{"", "-", filepath.Join(t.TempDir(), "gone.yaml")} {
		if all := watchEdits(path).warnings(); all != nil {
			t.Errorf("%q warns %q", path, all)
		}
	}
}

// TestEditsAreLookedAtNowAndThen: not at every tick.
func TestEditsAreLookedAtNowAndThen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollout.yaml")
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := watchEdits(path)
	clock := time.Now()
	e.now = func() time.Time { return clock }
	e.warnings()
	if err := os.WriteFile(path, []byte("bc"), 0o600); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(editsEvery / 2)
	if all := e.warnings(); all != nil {
		t.Errorf("it looked again after half the time: %q", all)
	}
	clock = clock.Add(editsEvery / 2)
	if all := e.warnings(); len(all) != 1 {
		t.Errorf("it did not look: %q", all)
	}
}

// TestAnEditIsShown: whoever looks at the rollout is told that the edit they
// made has no effect on it.
func TestAnEditIsShown(t *testing.T) {
	text := small(t, model(t, 0), model(t, 0))
	s := start(t, text, filepath.Join(t.TempDir(), "state.db"))
	s.until("quiet", func(st engine.Status) bool { return st.Phase == rollout.Progressing && len(st.Warnings) == 0 })
	if err := os.WriteFile(s.file, []byte(strings.Replace(text, "weight: 20", "weight: 30", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	st := s.until("warned", func(st engine.Status) bool { return len(st.Warnings) > 0 })
	if !strings.Contains(st.Warnings[0], "rollout.yaml has changed") || st.Wanted.Canary != traffic.Percent(20) {
		t.Errorf("%s wanted, %q", st.Wanted.Canary, st.Warnings)
	}
}
