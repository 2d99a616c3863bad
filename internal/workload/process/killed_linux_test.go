package process

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestKilledParent kills a process that runs two commands, as kill -9 of
// Haldane does, and sees both end.
func TestKilledParent(t *testing.T) {
	if attributes().Pdeathsig == 0 {
		t.Fatal("commands are not tied to the life of their parent")
	}
	marks := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := exec.CommandContext(t.Context(), self)
	p.Env = append(os.Environ(), helperMode+"=parent", "MARKS="+marks)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "both ready" {
		t.Fatalf("the parent says %q", lines.Text())
	}
	if n := len(alive(t, marks)); n != 2 {
		t.Fatalf("%d commands run, want 2", n)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // it was killed
	for end := time.Now().Add(30 * time.Second); len(alive(t, marks)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("commands %v outlive their killed parent", alive(t, marks))
		}
	}
}
