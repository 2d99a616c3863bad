package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
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
func wrk(ctx context.Context, script, addr string, connections int, d time.Duration) (loaded, error) {
	var out strings.Builder
	cmd := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections),
		"-d"+strconv.Itoa(max(1, int(d.Seconds())))+"s", "-s", script, "http://"+addr+path)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := startOn(loadCore, cmd); err != nil {
		return loaded{}, err
	}
	if err := cmd.Wait(); err != nil {
		return loaded{}, fmt.Errorf("wrk: %w: %s", err, out.String())
	}
	return parseWrk(out.String())
}

var wrkTotal = regexp.MustCompile(`(\d+) requests in ([\d.]+[a-z]+)`)

// parseWrk reads what wrk prints. Answers that are no success are an error: what
// fails is measured for nothing.
func parseWrk(out string) (loaded, error) {
	for _, bad := range []string{"Non-2xx", "Socket errors"} {
		if _, rest, ok := strings.Cut(out, bad); ok {
			line, _, _ := strings.Cut(rest, "\n")
			return loaded{}, fmt.Errorf("wrk: %s%s", bad, line)
		}
	}
	m := wrkTotal.FindStringSubmatch(out)
	if m == nil {
		return loaded{}, fmt.Errorf("wrk said nothing of requests: %s", out)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return loaded{}, err
	}
	d, err := time.ParseDuration(m[2])
	if err != nil || n == 0 || d == 0 {
		return loaded{}, fmt.Errorf("wrk: %s requests in %s", m[1], m[2])
	}
	return loaded{requests: n, elapsed: d}, nil
}

// atRate runs this program again as the load, at that many requests a second, on
// the load's core.
func (b *bench) atRate(ctx context.Context, addr string, rate float64) (q quantiles, err error) {
	var out, said strings.Builder
	cmd := exec.CommandContext(ctx, b.self, "-role", "load", "-upstream", addr, "-rate", fmt.Sprint(rate),
		"-connections", strconv.Itoa(b.o.connections), "-half", b.o.half.String())
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := startOn(loadCore, cmd); err != nil {
		return q, err
	}
	if err := cmd.Wait(); err != nil {
		return q, fmt.Errorf("load at %.0f/s on %s: %w: %s", rate, addr, err, said.String())
	}
	return q, json.Unmarshal([]byte(out.String()), &q)
}
