package clustertest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// DialContext connects to an address or service name inside the cluster. It
// fits http.Transport and, with the network fixed to tcp, gRPC's dialers.
func (c *Cluster) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.launch.Proxy)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster's proxy: %w", err)
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if err := request.Write(conn); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ask for a tunnel to %s: %w", address, err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ask for a tunnel to %s: %w", address, err)
	}
	if response.StatusCode != http.StatusOK {
		why, _ := bufio.NewReader(response.Body).ReadString('\n')
		_ = conn.Close()
		return nil, fmt.Errorf("dial %s in the cluster: %s", address, why)
	}
	_ = conn.SetDeadline(time.Time{})
	return &tunnel{Conn: conn, reader: reader}, nil
}

// tunnel gives back what was read together with the proxy's answer.
type tunnel struct {
	net.Conn
	reader *bufio.Reader
}

func (t *tunnel) Read(p []byte) (int, error) { return t.reader.Read(p) }
