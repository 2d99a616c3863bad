package system

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal of the given size.
func openTerminal(t *testing.T, columns, rows uint16) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no terminals to give: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

// screen is what a terminal shows, with all that has scrolled away. It knows as
// much as the program uses.
type screen struct {
	columns  int
	lines    []string
	row      int
	overflow []string // lines longer than the screen is wide
}

// show plays what was written.
func (s *screen) show(text string) {
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\r"):
			text = text[1:] // always before another control, or before \n
		case strings.HasPrefix(text, "\n"):
			s.row++
			text = text[1:]
		case strings.HasPrefix(text, "\x1b[J"):
			s.lines = s.lines[:min(s.row, len(s.lines))]
			text = text[len("\x1b[J"):]
		case strings.HasPrefix(text, "\x1b["):
			n, after, _ := strings.Cut(text[2:], "A")
			up, err := strconv.Atoi(n)
			if err != nil || up > s.row {
				s.overflow = append(s.overflow, fmt.Sprintf("an escape sequence %q at line %d", text[:min(8, len(text))], s.row))
				return
			}
			s.row -= up
			text = after
		default:
			end := strings.IndexAny(text, "\r\n\x1b")
			if end < 0 {
				end = len(text)
			}
			for len(s.lines) <= s.row {
				s.lines = append(s.lines, "")
			}
			s.lines[s.row] += text[:end]
			if len([]rune(s.lines[s.row])) > s.columns {
				s.overflow = append(s.overflow, s.lines[s.row])
			}
			text = text[end:]
		}
	}
}

// TestTerminal: in a terminal a picture stands beneath the events, redrawn in its
// place, and nothing of it is left at the end.
func TestTerminal(t *testing.T) {
	t.Parallel()
	const columns = 70
	ours, theirs := openTerminal(t, columns, 30)
	text := document(at(newModel(t, 0)), at(newModel(t, 0)))
	gateway := freeAddress(t)
	c := command(t, runs(t, strings.Replace(text, "127.0.0.1:0", gateway, 1))...)
	c.Stdout, c.Stderr = theirs, theirs
	drive(t).to("http://" + gateway)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(deadline, func() { _ = c.Process.Kill() })
	defer late.Stop()
	_ = theirs.Close()
	var all bytes.Buffer
	_, _ = io.Copy(&all, ours) // ends with an error when nobody has the other end any more
	if err := c.Wait(); err != nil {
		t.Errorf("the program: %v", err)
	}
	s := &screen{columns: columns}
	s.show(all.String())
	for _, want := range []string{"no worse", "worse", "step 1/3", "20% to v2", "█"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("never drawn: %q", want)
		}
	}
	left := strings.Join(s.lines, "\n")
	for _, want := range []string{"Gateway    http://", "Step 1 of 3: 20% of requests go to v2", "v2 serves everything in place of v1"} {
		if strings.Count(left, want) != 1 {
			t.Errorf("%q stands there %d times", want, strings.Count(left, want))
		}
	}
	if strings.Contains(left, "no worse") || strings.Contains(left, "step 1/3") {
		t.Error("the picture is left")
	}
	for _, line := range s.overflow {
		if strings.Contains(line, "no worse") || strings.Contains(line, "step ") || strings.Contains(line, "escape") {
			t.Errorf("wider than the terminal: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("it shows\n%s", left)
	}
}
