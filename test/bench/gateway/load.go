package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// script makes wrk post the question, as 500 users in turn.
var script = `local requests, i = {}, 0
init = function()
  local body = [[` + question + `]]
  for u = 1, 500 do
    requests[u] = wrk.format("POST", "` + path + `", {["Content-Type"] = "application/json", ["X-User-ID"] = "user-" .. u}, body)
  end
end
request = function()
  i = i % 500 + 1
  return requests[i]
end
`

// wrk sends as much as is answered, for d.
func wrk(ctx context.Context, script, addr string, connections int, d time.Duration) (saturation, error) {
	var out strings.Builder
	cmd := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections),
		"-d"+strconv.Itoa(max(1, int(d.Seconds())))+"s", "-s", script, "http://"+addr+path)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := startOn(loadCore, cmd); err != nil {
		return saturation{}, err
	}
	if err := cmd.Wait(); err != nil {
		return saturation{}, fmt.Errorf("wrk: %w: %s", err, out.String())
	}
	return parseWrk(out.String())
}

var wrkTotal = regexp.MustCompile(`(\d+) requests in ([\d.]+[a-z]+)`)

// parseWrk reads what wrk prints. Answers that are no success are an error: what
// fails is measured for nothing.
func parseWrk(out string) (saturation, error) {
	for _, bad := range []string{"Non-2xx", "Socket errors"} {
		if _, rest, ok := strings.Cut(out, bad); ok {
			line, _, _ := strings.Cut(rest, "\n")
			return saturation{}, fmt.Errorf("wrk: %s%s", bad, line)
		}
	}
	m := wrkTotal.FindStringSubmatch(out)
	if m == nil {
		return saturation{}, fmt.Errorf("wrk said nothing of requests: %s", out)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return saturation{}, err
	}
	d, err := time.ParseDuration(m[2])
	if err != nil || n == 0 || d == 0 {
		return saturation{}, fmt.Errorf("wrk: %s requests in %s", m[1], m[2])
	}
	return saturation{requests: n, elapsed: d}, nil
}

// quantiles of the latency of one run.
type quantiles struct{ p50, p99 time.Duration }

// openLoop sends requests at a fixed rate, whether or not earlier ones have been
// answered in time: one that had to wait for its connection counts from when it
// should have been sent.
func openLoop(ctx context.Context, addr string, rate float64, o options) (quantiles, error) {
	every := time.Duration(float64(o.connections) / rate * float64(time.Second))
	begin := time.Now().Add(20 * time.Millisecond)
	results := make([][]time.Duration, o.connections)
	errs := make([]error, o.connections)
	var wg sync.WaitGroup
	for i := range o.connections {
		wg.Go(func() {
			offset := every * time.Duration(i) / time.Duration(o.connections)
			results[i], errs[i] = pace(ctx, addr, begin.Add(offset), every, o.half)
		})
	}
	wg.Wait()
	all := slices.Concat(results...)
	if err := errors.Join(errs...); err != nil || len(all) == 0 {
		return quantiles{}, fmt.Errorf("load at %.0f/s on %s: %d answers, %w", rate, addr, len(all), err)
	}
	slices.Sort(all)
	return quantiles{all[len(all)/2], all[len(all)*99/100]}, nil
}

// pace sends one request every so often over one connection.
func pace(ctx context.Context, addr string, begin time.Time, every, d time.Duration) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(begin.Add(d + 10*time.Second)); err != nil {
		return nil, err
	}
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-User-ID: user-1\r\nContent-Length: %d\r\n\r\n%s",
		path, addr, len(question), question)
	in := bufio.NewReader(conn)
	var took []time.Duration
	for due := begin; due.Before(begin.Add(d)) && ctx.Err() == nil; due = due.Add(every) {
		sent := due
		// A timer that rings late is this program's fault, not the proxy's.
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			sent = time.Now()
		}
		if _, err := conn.Write(request); err != nil {
			return took, err
		}
		if err := skipAnswer(in); err != nil {
			return took, err
		}
		took = append(took, time.Since(sent))
	}
	return took, nil
}

// skipAnswer reads one answer with a Content-Length.
func skipAnswer(in *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if first && !strings.HasPrefix(text, "HTTP/1.1 200") {
			return fmt.Errorf("answered %q", text)
		}
		if text == "" {
			break
		}
		if name, value, _ := strings.Cut(text, ":"); strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("an answer without a length")
	}
	_, err := io.CopyN(io.Discard, in, int64(length))
	return err
}
