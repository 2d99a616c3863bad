package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
