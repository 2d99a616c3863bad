package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
)

// longestLine bounds what is kept of a line that does not end.
const longestLine = 4 << 10

// lines writes whole lines of several commands to one writer.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

// of returns a writer that puts an arm's name before each line, and tells tail.
func (l *lines) of(arm string, tail *lastLine) io.Writer {
	return &prefixed{to: l, prefix: []byte(arm + " | "), tail: tail}
}

// prefixed is used by one goroutine at a time.
type prefixed struct {
	to     *lines
	prefix []byte
	tail   *lastLine
	rest   []byte // of a line that has not ended
}

// Write never fails: what a command says must not end it.
func (p *prefixed) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		line, after, whole := bytes.Cut(b, []byte{'\n'})
		p.rest = append(p.rest, line...)
		if whole || len(p.rest) >= longestLine {
			p.flush()
		}
		b = after
	}
	return n, nil
}

func (p *prefixed) flush() {
	line := bytes.TrimRight(p.rest[:min(len(p.rest), longestLine)], "\r")
	p.tail.set(string(line))
	out := append(append(bytes.Clone(p.prefix), line...), '\n')
	p.rest = p.rest[:0]
	p.to.mu.Lock()
	defer p.to.mu.Unlock()
	_, _ = p.to.w.Write(out) // see Write
}

// lastLine remembers the last line that says something.
type lastLine struct {
	mu   sync.Mutex
	text string
}

func (l *lastLine) set(s string) {
	if s = strings.TrimSpace(s); s == "" {
		return
	}
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = s
}

// explain says how a command ended and what it said last.
func (l *lastLine) explain(err error) error {
	l.mu.Lock()
	text := l.text
	l.mu.Unlock()
	how := "exited with status 0"
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		how = fmt.Sprintf("exited with status %d", exit.ExitCode())
	case errors.As(err, &exit):
		how = "ended by " + exit.String()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		how = err.Error()
	}
	if text != "" {
		how += ": " + text
	}
	return errors.New(how)
}
