package inference

import (
	"bytes"
	"time"
)

// maxEvent bounds the memory of one stream: a longer line or event is counted
// as content but not read.
const maxEvent = 256 << 10

// Stream reads a response of server-sent events as it passes. Give it every
// chunk in order; it keeps at most one line and one event. It must not be used
// by two goroutines at once.
//
// Time to first token counts from [Stream.Start], or from the first Write when
// Start was never called.
type Stream struct {
	events events

	line     []byte // of the current line, what earlier chunks brought
	data     []byte // of the current event, its data lines
	hasData  bool
	isError  bool // the current event is named "error"
	tooLong  bool // the current line does not fit
	oversize bool // the current event does not fit
	skipLF   bool // the last chunk ended in \r
	begun    bool // the byte order mark, if any, is past
}

// NewStream returns a reader for one response of protocol p. For [OpenAI] a
// stream must end in a terminal event; for others a clean end is enough, and
// every event with data is content.
func NewStream(p Protocol) *Stream {
	return &Stream{events: events{protocol: p}}
}

// Start tells when the request was sent, the zero of the time to first token.
func (s *Stream) Start(now time.Time) { s.events.start = now }

// KeepText has the generated text kept, up to [MaxText], for
// StreamResult.Text: that of the first choice alone. Call it before Write.
func (s *Stream) KeepText() { s.events.keeps = true }

// Write reads a chunk that arrived at now. Chunks may be split anywhere.
func (s *Stream) Write(now time.Time, chunk []byte) {
	if s.events.start.IsZero() {
		s.events.start = now
	}
	for len(chunk) > 0 {
		if s.skipLF {
			s.skipLF = false
			if chunk[0] == '\n' {
				chunk = chunk[1:]
				continue
			}
		}
		end := bytes.IndexAny(chunk, "\r\n")
		if end < 0 {
			s.keep(chunk)
			return
		}
		s.skipLF = chunk[end] == '\r'
		s.endLine(now, chunk[:end])
		chunk = chunk[end+1:]
	}
}

// keep remembers the beginning of a line whose end is in a later chunk.
func (s *Stream) keep(part []byte) {
	if s.tooLong || len(s.line)+len(part) > maxEvent {
		// What is left is enough to tell which field the line is.
		s.tooLong = true
		if room := len("data: ") - len(s.line); room > 0 {
			s.line = append(s.line, part[:min(room, len(part))]...)
		}
		return
	}
	s.line = append(s.line, part...)
}

// endLine completes the current line with its last part.
func (s *Stream) endLine(now time.Time, last []byte) {
	line := last
	if len(s.line) > 0 || s.tooLong || len(last) > maxEvent {
		s.keep(last)
		line = s.line
	}
	s.field(now, line)
	s.line, s.tooLong = s.line[:0], false
}

// field takes one line as the HTML standard, section 9.2.6, reads it.
func (s *Stream) field(now time.Time, line []byte) {
	if !s.begun {
		s.begun = true
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if len(line) == 0 {
		s.dispatch(now)
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		if s.tooLong || len(s.data)+len(value)+1 > maxEvent {
			s.oversize = true
			s.hasData = true
			return
		}
		if s.hasData {
			s.data = append(s.data, '\n')
		}
		s.data = append(s.data, value...)
		s.hasData = true
	case "event":
		s.isError = !s.tooLong && string(value) == "error"
	}
}

// dispatch reads the event that a blank line completed.
func (s *Stream) dispatch(now time.Time) {
	if s.hasData {
		s.events.read(now, s.data, s.isError, s.oversize)
	}
	s.data = s.data[:0]
	s.hasData, s.isError, s.oversize = false, false, false
}

// Close tells that the response ended, clean or cut short, and returns what was
// read. A last event without its blank line is read too, since some servers
// leave that out. Do not call it clean=false when it was the client that went
// away: that is no failure of the model.
func (s *Stream) Close(now time.Time, clean bool) StreamResult {
	if len(s.line) > 0 || s.tooLong {
		s.endLine(now, nil)
	}
	s.dispatch(now)
	return s.events.result(clean)
}
