package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// quantiles of the latency of one run, and how much was answered.
type quantiles struct {
	P50, P99 time.Duration
	Answers  int
}

// paced sends requests at random moments, at a fixed rate on average, whether or
// not earlier ones have been answered: one that had to wait for a connection
// counts from when it should have been sent.
//
// It is one thread around epoll and a timer, because it shares its core with the
// backend: goroutines that sleep wake late, or in bursts, and it is then the load
// that is measured.
type paced struct {
	epoll, timer int
	byFD         map[int]*pacedConn
	free         []*pacedConn
	due          []time.Time // should have been sent, and wait for a connection
	took         []time.Duration
	request      []byte
	busy         int
}

type pacedConn struct {
	fd      int
	since   time.Time
	answer  []byte
	partial [16 << 10]byte
}

// pacedLoad is this program in the role of the load; it prints quantiles.
func pacedLoad(o options) error {
	runtime.LockOSThread()
	addr, err := netip.ParseAddrPort(o.upstream)
	if err != nil {
		return err
	}
	p, err := newPaced(addr, o.connections)
	if err != nil {
		return err
	}
	if err := p.run(o.rate, o.half); err != nil {
		return err
	}
	if len(p.took) == 0 {
		return errors.New("no answers")
	}
	slices.Sort(p.took)
	n := len(p.took)
	return json.NewEncoder(os.Stdout).Encode(quantiles{p.took[n/2], p.took[n*99/100], n})
}

func newPaced(addr netip.AddrPort, connections int) (*paced, error) {
	p := &paced{byFD: make(map[int]*pacedConn), request: fmt.Appendf(nil,
		"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-User-ID: user-1\r\nContent-Length: %d\r\n\r\n%s",
		path, addr, len(question), question)}
	var err error
	if p.epoll, err = unix.EpollCreate1(0); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	if err := p.watch(p.timer); err != nil {
		return nil, err
	}
	for range connections {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
			return nil, fmt.Errorf("connect to %s: %w", addr, err)
		}
		if err := errors.Join(unix.SetNonblock(fd, true), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), p.watch(fd)); err != nil {
			return nil, err
		}
		c := &pacedConn{fd: fd}
		p.byFD[fd] = c
		p.free = append(p.free, c)
	}
	return p, nil
}

func (p *paced) watch(fd int) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (p *paced) run(rate float64, d time.Duration) error {
	next := time.Now()
	end := next.Add(d)
	giveUp := end.Add(10 * time.Second)
	events := make([]unix.EpollEvent, 64)
	for {
		now := time.Now()
		for !next.After(now) && next.Before(end) {
			p.due = append(p.due, next)
			next = next.Add(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
		}
		if err := p.send(); err != nil {
			return err
		}
		if !now.Before(end) && p.busy == 0 && len(p.due) == 0 {
			return nil
		}
		if now.After(giveUp) {
			return fmt.Errorf("%d requests unanswered after %s", p.busy+len(p.due), 10*time.Second)
		}
		if err := p.sleep(min(next.Sub(now), end.Sub(now))); err != nil {
			return err
		}
		n, err := unix.EpollWait(p.epoll, events, 1000)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if err := p.receive(int(e.Fd)); err != nil {
				return err
			}
		}
	}
}

// sleep sets the timer; without anything to wait for it stays silent.
func (p *paced) sleep(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return unix.TimerfdSettime(p.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}, nil)
}

// send sends what is due while there are free connections.
func (p *paced) send() error {
	for len(p.due) > 0 && len(p.free) > 0 {
		c := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		c.since, p.due = p.due[0], p.due[1:]
		c.answer = c.answer[:0]
		if n, err := unix.Write(c.fd, p.request); err != nil || n != len(p.request) {
			return fmt.Errorf("send: %d of %d bytes: %w", n, len(p.request), err)
		}
		p.busy++
	}
	return nil
}

func (p *paced) receive(fd int) error {
	c := p.byFD[fd]
	if c == nil {
		var expirations [8]byte
		if _, err := unix.Read(fd, expirations[:]); err != nil && err != unix.EAGAIN {
			return fmt.Errorf("timer: %w", err)
		}
		return nil
	}
	n, err := unix.Read(fd, c.partial[:])
	if err == unix.EAGAIN {
		return nil
	}
	if err != nil || n == 0 {
		return fmt.Errorf("the proxy closed a connection: %w", err)
	}
	c.answer = append(c.answer, c.partial[:n]...)
	whole, err := complete(c.answer)
	if !whole || err != nil {
		return err
	}
	p.took = append(p.took, time.Since(c.since))
	p.busy--
	p.free = append(p.free, c)
	return nil
}

// complete reports whether b is a whole answer. Anything but a 200 with a length
// is an error.
func complete(b []byte) (bool, error) {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return false, nil
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
		return false, fmt.Errorf("answered %q", head)
	}
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			return len(body) >= n, err
		}
	}
	return false, fmt.Errorf("an answer without a length: %q", head)
}
