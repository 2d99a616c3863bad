package gateway

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
)

// refusal takes the place of a message that is refused, wherever in it the guard
// stands. A zero byte is valid in no method, field or chunk size, so net/http
// answers 400 and closes the connection. It must come in the order of the stream:
// an error would end the answers to requests before it too.
const refusal = "\x00\r\n\r\n"

// guardListener refuses what net/http would mend.
type guardListener struct{ net.Listener }

// Accept implements net.Listener.
func (l guardListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardConn{Conn: c}, nil
}

// guardConn refuses requests whose length two recipients could understand
// differently: with both Content-Length and Transfer-Encoding, with
// Transfer-Encoding in HTTP/1.0, with folded header lines, and with chunks that
// are no chunks. net/http itself
// reads such requests in one way and forwards them mended, which is safe behind
// this gateway, but not in front of it if somebody there read them otherwise
// (RFC 9112 sections 5.2, 6.1 and 11.2).
//
// The guard follows the framing beside net/http and changes nothing. Where it
// loses its way it lets everything pass, and net/http decides alone.
type guardConn struct {
	net.Conn
	scan    framing
	refused bool
	left    string // of the refusal
}

// Read implements net.Conn. It is called by one goroutine at a time.
func (c *guardConn) Read(p []byte) (int, error) {
	if c.refused {
		return c.refuse(p)
	}
	n, err := c.Conn.Read(p)
	if n > 0 && c.scan.part != partOpaque {
		if good := c.scan.take(p[:n]); good < n {
			c.refused, c.left = true, refusal
			if good == 0 {
				return c.refuse(p)
			}
			return good, nil
		}
	}
	return n, err
}

func (c *guardConn) refuse(p []byte) (int, error) {
	if c.left == "" {
		return 0, io.EOF
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// CloseWrite lets net/http end its side before it closes, so that its last
// answer is not lost in a reset.
func (c *guardConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// release ends the guard: what follows is no HTTP.
func (c *guardConn) release() { c.scan.part = partOpaque }

// part is where in a stream of requests the next byte belongs.
type part uint8

const (
	partHead    part = iota // request line and header lines
	partBody                // bytes of a body or chunk, as many as left
	partSize                // the line with a chunk's size
	partEnd                 // the line end after a chunk
	partTrailer             // lines after the last chunk
	partOpaque              // not followed any more
)

// framing follows the messages of one connection line by line.
type framing struct {
	part  part
	left  uint64 // of partBody
	chunk bool   // partBody is a chunk

	line    [160]byte // the beginning of a line that came in parts
	n       int       // bytes of it
	long    bool      // it did not fit
	started bool      // the request line is past
	old     bool      // HTTP/1.0
	length  int64     // of the body, -1 without Content-Length
	coded   bool      // has Transfer-Encoding
}

// take follows b and returns how many of its bytes may be let through: all of
// them, or those before the head, or the line of a body, that is refused.
func (f *framing) take(b []byte) (good int) {
	head := 0 // where in b the current message began
	for i := 0; i < len(b) && f.part != partOpaque; {
		if f.part == partBody {
			n := min(f.left, uint64(len(b)-i))
			f.left -= n
			i += int(n)
			if f.left == 0 {
				f.endBody()
				head = i
			}
			continue
		}
		end := bytes.IndexByte(b[i:], '\n')
		if end < 0 {
			f.keep(b[i:])
			break
		}
		begin, line := i, b[i:i+end]
		if f.n > 0 || f.long {
			f.keep(line)
			line = f.line[:f.n]
		}
		long := f.long
		f.n, f.long = 0, false
		i += end + 1
		inHead := f.part == partHead
		if !f.see(bytes.TrimSuffix(line, []byte("\r")), long) {
			if inHead {
				return head
			}
			return begin
		}
		if f.part == partHead && !f.started {
			head = i
		}
	}
	return len(b)
}

// keep remembers the beginning of a line.
func (f *framing) keep(b []byte) {
	n := copy(f.line[f.n:], b)
	f.n += n
	f.long = f.long || n < len(b)
}

func (f *framing) endBody() {
	if f.chunk {
		f.part = partEnd
		return
	}
	f.next()
}

// next begins a new message.
func (f *framing) next() { *f = framing{} }

// see takes one line, without its end. It returns false to refuse the message.
func (f *framing) see(line []byte, long bool) bool {
	switch f.part {
	case partHead:
		return f.headLine(line, long)
	case partSize:
		return f.size(line, long)
	case partEnd:
		f.part = partSize
		return len(line) == 0
	case partTrailer:
		if len(line) == 0 {
			f.next()
		}
	}
	return true
}

func (f *framing) headLine(line []byte, long bool) bool {
	switch {
	case !f.started && len(line) == 0:
		return true // net/http refuses it
	case !f.started:
		f.started, f.length = true, -1
		f.old = bytes.HasSuffix(line, []byte(" HTTP/1.0"))
		if bytes.Equal(line, []byte("PRI * HTTP/2.0")) {
			f.part = partOpaque
		}
		return true
	case len(line) == 0:
		f.endHead()
		return true
	case line[0] == ' ' || line[0] == '\t':
		return false
	}
	switch c := line[0] | 0x20; {
	case c == 'c' && hasName(line, "content-length"):
		n, err := strconv.ParseInt(strings.TrimSpace(string(line[len("content-length:"):])), 10, 64)
		if err != nil || n < 0 || long {
			f.part = partOpaque // net/http refuses it
		}
		f.length = n
	case c == 't' && hasName(line, "transfer-encoding"):
		f.coded = true
	}
	return !f.coded || f.length < 0 && !f.old
}

// hasName reports whether a header line has that lower-case name.
func hasName(line []byte, name string) bool {
	return len(line) > len(name) && line[len(name)] == ':' &&
		strings.EqualFold(string(line[:len(name)]), name)
}

func (f *framing) endHead() {
	switch {
	case f.coded:
		f.part, f.chunk = partSize, true
	case f.length > 0:
		f.part, f.left = partBody, uint64(f.length)
	default:
		f.next()
	}
}

// size takes the line before a chunk. It returns false if that is none.
func (f *framing) size(line []byte, long bool) bool {
	digits, _, extended := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(string(bytes.TrimRight(digits, " \t")), 16, 64)
	switch {
	case err != nil || long && !extended:
		return false
	case n == 0:
		f.part = partTrailer
	default:
		f.part, f.left = partBody, n
	}
	return true
}
