package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// stub is a connection that only reads.
type stub struct {
	net.Conn
	r io.Reader
}

func (s stub) Read(p []byte) (int, error) { return s.r.Read(p) }

// readRequests reads what net/http takes from r, and why it stops.
func readRequests(r io.Reader) (bodies []string, ended error) {
	br := bufio.NewReader(r)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return bodies, err
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return bodies, err
		}
		bodies = append(bodies, req.Method+" "+string(body))
	}
}

// What the guard lets through it lets through unchanged, however it is cut, and
// all that net/http reads from the guarded stream it also reads without.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3;a=b\nabc\n0\nX: y\n\nGET / HTTP/1.1\nHost: x\n\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		var through [2][]byte
		for i, r := range []io.Reader{bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream))} {
			var err error
			if through[i], err = io.ReadAll(&guardConn{Conn: stub{r: r}}); err != nil {
				t.Fatal(err)
			}
			let := bytes.TrimSuffix(through[i], []byte(refusal))
			if !bytes.HasPrefix(stream, let) {
				t.Fatalf("%q was let through of %q", through[i], stream)
			}
		}
		got, _ := readRequests(bytes.NewReader(through[0]))
		slow, _ := readRequests(bytes.NewReader(through[1]))
		want, _ := readRequests(bytes.NewReader(stream))
		if len(got) > len(want) || strings.Join(got, "|") != strings.Join(want[:len(got)], "|") {
			t.Fatalf("through the guard %q, without it %q, of %q", got, want, stream)
		}
		if strings.Join(got, "|") != strings.Join(slow, "|") {
			t.Fatalf("at once %q, byte by byte %q, of %q", got, slow, stream)
		}
	})
}

// Ambiguous messages are refused wherever the network cuts them.
func TestGuardRefusesAtAnyCut(t *testing.T) {
	for _, stream := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
	} {
		for cut := range len(stream) {
			r := io.MultiReader(strings.NewReader(stream[:cut]), strings.NewReader(stream[cut:]))
			bodies, err := readRequests(&guardConn{Conn: stub{r: r}})
			if len(bodies) != 0 || err == nil {
				t.Errorf("cut at %d, %q gave %q, %v", cut, stream, bodies, err)
			}
		}
	}
}

func TestGuardLetsAllElsePass(t *testing.T) {
	long := strings.Repeat("a", 5000)
	for _, stream := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + long + "\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + long,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + long[:200] + "\r\nabcde\r\n0\r\nX-T: " + long[:300] + "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream)), iotest.HalfReader(strings.NewReader(stream))} {
			bodies, err := readRequests(&guardConn{Conn: stub{r: r}})
			if len(bodies) != 2 || !errors.Is(err, io.EOF) {
				t.Errorf("%d requests, %v", len(bodies), err)
			}
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	request := []byte("POST /v2/models/churn/infer HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nX-User-ID: u-1\r\nContent-Length: 128\r\n\r\n" + strings.Repeat("a", 128))
	var f framing
	b.ReportAllocs()
	for b.Loop() {
		if f.take(request) != len(request) {
			b.Fatal("refused")
		}
	}
}
