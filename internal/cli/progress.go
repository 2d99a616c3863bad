package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// In a pipe, what a rollout waits for becomes a line once it has waited for the
// same thing for waitShown, and again every waitAgain.
const (
	waitShown = 5 * time.Second
	waitAgain = time.Minute
)

// progress prints what happens: events as lines and, in a terminal, a picture
// of where the rollout stands beneath them, or lines of JSON. It is safe for
// concurrent use.
type progress struct {
	mu     sync.Mutex
	w      io.Writer
	format format
	screen *os.File // the terminal, nil if w is none
	drawn  int      // lines of the picture that stand beneath

	waits waits
}

func newProgress(w io.Writer, f format) *progress {
	p := &progress{w: w, format: f}
	if screen, ok := terminal(w); ok && f == text {
		p.screen = screen
	}
	return p
}

// update shows one thing that happened.
func (p *progress) update(u engine.Update) {
	switch {
	case p.format == jsons:
		p.json(line{Event: u.Event, Block: u.Block, Status: u.Status})
	case u.Event != nil:
		p.event(u.Event.At, string(u.Event.Kind), u.Event.Message)
	case u.Status == nil:
	case p.screen != nil:
		width, height := p.size()
		p.draw(picture(u.Status, width, height))
	default:
		for _, w := range p.waits.news(u.Status.Warnings) {
			p.event(u.Status.Now, "Warning", w)
		}
		if p.waits.due(u.Status) {
			p.event(u.Status.Now, "Waiting", strings.TrimPrefix(u.Status.Waiting, "Waiting "))
		}
	}
}

// addresses shows where everything answers.
func (p *progress) addresses(a Addresses) {
	if p.format == jsons {
		p.json(line{Addresses: &a})
		return
	}
	name, at := "Gateway", a.Gateway
	if a.Flag != "" {
		name, at = "Flag", a.Flag
	}
	p.print(fmt.Sprintf("%-9s  %s\nDashboard  %s\n", name, at, a.Dashboard))
	if a.Preview != "" {
		p.print(fmt.Sprintf("Preview    %s\n", a.Preview))
	}
}

// begin shows where a rollout stands that began before this was looked at. In a
// terminal the picture does.
func (p *progress) begin(s *engine.Status) {
	if p.format == text && p.screen == nil {
		p.print(headline(s) + "\n")
	}
}

// found shows what an earlier run left.
func (p *progress) found(s rollout.State, over bool) {
	if p.format == jsons {
		return // the status and the outcome say it
	}
	p.print(sentenceOf(s, over) + "\n")
}

// outcome is the last line for programs.
func (p *progress) outcome(o engine.Outcome) {
	if p.format == jsons {
		out := outcomeOf(o)
		p.json(line{Outcome: &out})
	}
}

// event prints one line of what happened.
func (p *progress) event(at time.Time, kind, message string) {
	line := fmt.Sprintf("%s  %-11s  %s", at.Local().Format("15:04:05"), kind, message)
	if p.screen != nil {
		width, _ := p.size()
		line = strings.Join(wrap(line, strings.Repeat(" ", len("15:04:05")+15), width), "\n")
	}
	p.print(line + "\n")
}

// size is how much of the terminal is drawn on.
func (p *progress) size() (width, height int) {
	width, height, err := term.GetSize(int(p.screen.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	return width - 1, height - 1
}

func (p *progress) json(l line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = writeLine(p.w, l) // whoever read it has gone: the rollout goes on
}

func (p *progress) print(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	_, _ = io.WriteString(p.w, text)
}

// draw replaces the picture.
func (p *progress) draw(lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if len(lines) == 0 {
		return
	}
	_, _ = io.WriteString(p.w, strings.Join(lines, "\n")+"\n")
	p.drawn = len(lines)
}

// clear removes the picture. The caller holds mu.
func (p *progress) clear() {
	if p.drawn > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\r\x1b[J", p.drawn)
		p.drawn = 0
	}
}

// end removes the picture: what comes next is not the progress's.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// over returns a writer to w that does not run into the picture, for what is
// printed meanwhile. It writes whole lines.
func (p *progress) over(w io.Writer) io.Writer {
	if p.screen == nil {
		return w
	}
	return &above{p, w}
}

// above writes to the terminal above the picture, which comes back with the next
// status.
type above struct {
	p *progress
	w io.Writer
}

// Write implements io.Writer.
func (a *above) Write(b []byte) (int, error) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.p.clear()
	return a.w.Write(b)
}

// waits decides when waiting is worth a line, and which warnings are news.
type waits struct {
	gist     string
	since    time.Time
	shown    time.Time // when this was last shown, zero if it was not
	warnings map[string]bool
}

// gist is a sentence without its figures, which change with every block: only
// another reason is news.
func gist(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' || r == '%' {
			return -1
		}
		return r
	}, s)
}

// news returns the warnings that did not stand before.
func (w *waits) news(all []string) []string {
	var out []string
	now := make(map[string]bool, len(all))
	for _, x := range all {
		now[gist(x)] = true
		if !w.warnings[gist(x)] {
			out = append(out, x)
		}
	}
	w.warnings = now
	return out
}

// due reports whether what s waits for is to be printed now.
func (w *waits) due(s *engine.Status) bool {
	if g := gist(string(s.Phase) + s.Waiting); g != w.gist {
		w.gist, w.since, w.shown = g, s.Now, time.Time{}
		return false
	}
	if s.Waiting == "" || s.Now.Sub(w.since) < waitShown || !w.shown.IsZero() && s.Now.Sub(w.shown) < waitAgain {
		return false
	}
	w.shown = s.Now
	return true
}

// sentenceOf says what an earlier run left, and what can be done if it is over.
func sentenceOf(s rollout.State, over bool) string {
	v, at := s.Plan.Canary, s.PhaseBegan.Local().Format("2006-01-02 15:04:05")
	switch {
	case s.Phase == rollout.Promoted:
		return fmt.Sprintf("%s was promoted at %s%s", v, at,
			next(over, ": nothing to do. Name it as stable, and the next version as canary, in the file"))
	case s.Phase == rollout.Completed:
		return fmt.Sprintf("%s was compared and ended at %s%s", v, at,
			next(over, ": write another strategy and run it with --retry, or name another version as canary in the file"))
	case s.Phase == rollout.RolledBack:
		return fmt.Sprintf("%s was taken back at %s: %s%s", v, at, strings.TrimSuffix(s.Reason, "."),
			next(over, ". Run it again with --retry, or name another version as canary in the file"))
	case s.Phase == rollout.Paused && s.Deadline:
		return fmt.Sprintf("%s is held at %s since its deadline, %s%s", v, s.Weight(), at, next(over, ". "+whenHeld))
	case s.Phase == rollout.Idle, s.Phase == "":
		return "Going on from the saved state"
	}
	return fmt.Sprintf("Going on from the saved state: %s at step %d of %d, with %s of the requests", v, s.Step+1, len(s.Plan.Steps), s.Weight())
}

// whenHeld is what can be done with a rollout that is held at its deadline.
const whenHeld = "Run it again with --hold, then promote (more time), promote --full, or abort"

func next(over bool, what string) string {
	if over {
		return what
	}
	return ""
}
