package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/haldane-dev/haldane/internal/engine"
)

// progress prints events as lines and, in a terminal, keeps one line of status
// beneath them. It is safe for concurrent use.
type progress struct {
	mu     sync.Mutex
	w      io.Writer
	redraw bool
	drawn  bool
}

func newProgress(w io.Writer) *progress { return &progress{w: w, redraw: isTerminal(w)} }

// update shows one thing that happened.
func (p *progress) update(u engine.Update) {
	switch {
	case u.Event != nil:
		p.line("%s  %-11s %s", u.Event.At.Local().Format("15:04:05"), u.Event.Kind, u.Event.Message)
	case u.Status != nil && p.redraw:
		p.status(u.Status)
	}
}

func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *progress) status(s *engine.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	text := []rune(fmt.Sprintf("%s, step %d of %d, %s to %s: %s", s.Phase, s.Step+1, len(s.Steps),
		s.Observed.Canary, s.Canary.Version, s.Waiting))
	if len(text) > 100 {
		text = append(text[:99], '…')
	}
	fmt.Fprint(p.w, string(text))
	p.drawn = true
}

// clear removes the status line. The caller holds mu.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
