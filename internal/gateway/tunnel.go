package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tunnel joins client and upstream after both agreed to speak something else. The
// exchange is recorded when the upstream agrees: how long people then talk is no
// latency.
func (x *exchange) tunnel(answer *http.Response, upgrade string) (abort bool) {
	defer answer.Body.Close()
	back, ok := answer.Body.(io.ReadWriteCloser)
	if !ok || upgrade == "" || !strings.EqualFold(upgradeOf(answer.Header), upgrade) {
		return x.fail(errUpgrade)
	}
	x.watch.enter(waitTunnel, x.g.cfg.Limits.Tunnel)
	describe(&x.res, answer)
	x.res.Latency = time.Since(x.d.Start)

	conn, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return x.fail(errors.Join(errUpgrade, err))
	}
	defer conn.Close()
	x.g.policy.Observe(&x.d, &x.res)
	if c, ok := conn.(*guardConn); ok {
		c.release()
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return false
	}
	x.g.tunnels.add(conn)
	defer x.g.tunnels.remove(conn)
	if err := x.sendSwitch(rw, answer.Header); err != nil {
		return false
	}
	// The watch, and a client or gateway that goes away, end both directions.
	stop := context.AfterFunc(answer.Request.Context(), func() {
		conn.Close()
		back.Close()
	})
	defer stop()
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return false
	}
	// The rest comes from the connection itself: net/http's reader would take the
	// end of the client's half for the end of the request, and cancel it.
	x.join(conn, io.MultiReader(bytes.NewReader(early), conn), back)
	return false
}

// sendSwitch tells the client that the upstream agreed.
func (x *exchange) sendSwitch(rw *bufio.ReadWriter, h http.Header) error {
	protocol := h["Upgrade"]
	stripHop(h)
	stripOwn(h)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, protocol
	h[HeaderVersion] = x.d.upstream().versionValue
	if _, err := rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n"); err != nil {
		return err
	}
	if err := h.Write(rw); err != nil {
		return err
	}
	if _, err := rw.WriteString("\r\n"); err != nil {
		return err
	}
	return rw.Flush()
}

// join copies both ways until both have ended, or one has failed. An end is
// passed on where the connection can be closed in one direction.
func (x *exchange) join(client net.Conn, said io.Reader, back io.ReadWriteCloser) {
	limit := x.g.cfg.Limits.Tunnel
	done := make(chan error, 2)
	copyTo := func(dst io.Writer, src io.Reader) {
		_, err := io.Copy(dst, touching{src, x.watch, limit})
		if half, ok := dst.(interface{ CloseWrite() error }); ok && err == nil {
			err = half.CloseWrite()
		} else if err == nil {
			err = io.EOF
		}
		done <- err
	}
	go copyTo(back, said)
	go copyTo(client, back)
	if err := <-done; err != nil {
		client.Close()
		back.Close()
	}
	<-done
}

// touching tells a watch of every read.
type touching struct {
	io.Reader
	watch *watch
	limit time.Duration
}

func (t touching) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.watch.touch(t.limit)
	return n, err
}

// tunnels are the upgraded connections of clients, which the server no longer
// knows when it shuts down.
type tunnels struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func (t *tunnels) add(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[net.Conn]struct{})
	}
	t.open[c] = struct{}{}
}

func (t *tunnels) remove(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

func (t *tunnels) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// closeAll ends every tunnel.
func (t *tunnels) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		c.Close()
	}
}
