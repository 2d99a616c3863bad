package dns

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// timeToLive is short, in seconds: the names of tests' pods change quickly.
const timeToLive = 2

// Serve answers questions at layout.DNSIP, over UDP and TCP, until stop is
// called.
func (z *Zone) Serve() (stop func(), err error) {
	address := net.JoinHostPort(layout.DNSIP, "53")
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for DNS questions: %w", err)
	}
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		_ = udp.Close()
		return nil, fmt.Errorf("listen for DNS questions: %w", err)
	}
	go z.serveUDP(udp)
	go z.serveTCP(tcp)
	return func() { _ = udp.Close(); _ = tcp.Close() }, nil
}

func (z *Zone) serveUDP(conn net.PacketConn) {
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		if answer, err := z.answer(buffer[:n]); err == nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

func (z *Zone) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for z.exchange(conn) == nil {
			}
		}()
	}
}

// exchange answers one question on a connection; each message is preceded by
// its length.
func (z *Zone) exchange(conn net.Conn) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	question := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, question); err != nil {
		return err
	}
	answer, err := z.answer(question)
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

func (z *Zone) answer(question []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := parser.Question()
	if err != nil {
		return nil, err
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	addresses, ok := z.Lookup(q.Name.String())
	if !ok {
		reply.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		if q.Type == dnsmessage.TypeA && a.Is4() {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: timeToLive},
				Body:   &dnsmessage.AResource{A: a.As4()},
			})
		}
	}
	return reply.Pack()
}
