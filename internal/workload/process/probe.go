package process

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// run probes until ctx ends or report returns false. report is called with
// every result that counts: a success after Successes in a row, a failure
// after Failures in a row, and each one of the same kind after that.
func (p Probe) run(ctx context.Context, at string, report func(ok bool, err error) bool) {
	interval := cmp.Or(p.Interval, time.Second)
	needed := map[bool]int{true: cmp.Or(p.Successes, 1), false: cmp.Or(p.Failures, 3)}
	row, last, settled := 0, false, false
	// Until the first answer counts it asks more often: most servers are ready
	// long before an interval has passed.
	pause := min(interval, 50*time.Millisecond)
	wait := p.InitialDelay
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		err := p.ask(ctx, at)
		if ctx.Err() != nil {
			return
		}
		ok := err == nil
		if ok != last {
			row = 0
		}
		row, last = row+1, ok
		if row >= needed[ok] {
			if !report(ok, err) {
				return
			}
			settled = settled || ok
		}
		wait = interval
		if !settled {
			wait, pause = pause, min(2*pause, interval)
		}
	}
}

// ask probes once.
func (p Probe) ask(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.Timeout, time.Second))
	defer cancel()
	target, err := url.Parse(at)
	if err != nil {
		return err
	}
	switch {
	case p.GRPC:
		return askGRPC(ctx, target)
	case p.Path != "":
		return askHTTP(ctx, target, p.Path)
	}
	return askTCP(ctx, target)
}

func askTCP(ctx context.Context, at *url.URL) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort(at))
	if err != nil {
		return plain(at, err)
	}
	return c.Close()
}

// prober follows no redirect, which answers for another address, and keeps no
// connection, which would outlive a server that accepts no new ones.
var prober = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func askHTTP(ctx context.Context, at *url.URL, path string) error {
	ref, err := url.Parse("/" + strings.TrimPrefix(path, "/"))
	if err != nil {
		return fmt.Errorf("path %q: %w", path, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.ResolveReference(ref).String(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "haldane-probe")
	resp, err := prober.Do(r)
	if err != nil {
		return plain(at, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // the status has answered
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return fmt.Errorf("GET %s answers %s", r.URL, resp.Status)
	}
	return nil
}

func askGRPC(ctx context.Context, at *url.URL) error {
	creds := insecure.NewCredentials()
	if at.Scheme == "https" {
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	c, err := grpc.NewClient("passthrough:///"+hostPort(at), grpc.WithTransportCredentials(creds))
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := grpc_health_v1.NewHealthClient(c).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented:
		return fmt.Errorf("%s has no grpc.health.v1 service: probe it by TCP instead", at.Host)
	case err != nil:
		return plain(at, err)
	case answer.Status != grpc_health_v1.HealthCheckResponse_SERVING:
		return fmt.Errorf("%s reports %s", at.Host, answer.Status)
	}
	return nil
}

// plain says in a few words why a server could not be asked.
func plain(at *url.URL, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(err.Error(), "connection refused"):
		return fmt.Errorf("nothing listens on %s", at.Host)
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return fmt.Errorf("%s does not answer in time", at.Host)
	}
	return err
}

// hostPort is the host of u with the scheme's port if it names none.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "https" {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}
