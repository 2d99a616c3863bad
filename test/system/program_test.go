package system

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// line is one line of `haldane run -o json`.
type line struct {
	Addresses *struct{ Gateway, Dashboard string }
	Event     *rollout.Event
	Block     *engine.Block
	Status    *engine.Status
	Outcome   *struct {
		Phase    rollout.Phase
		Held     bool
		Reason   string
		ExitCode int
	}
}

// command prepares the program. It ends with the test at the latest, and sees
// nothing of the environment's settings for it.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Dir = t.TempDir()
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HALDANE_") {
			c.Env = append(c.Env, v)
		}
	}
	return c
}

// haldane runs a command to its end.
func haldane(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	return finish(t, command(t, args...))
}

// finish runs c and returns how it ended.
func finish(t *testing.T, c *exec.Cmd) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(deadline, func() { _ = c.Process.Kill() })
	defer late.Stop()
	err := c.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// life is one `haldane run -o json`, from its start to its end or its killing.
type life struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  chan line // closed at its end
	stderr *bytes.Buffer
	late   *time.Timer

	gateway, dashboard string // once heard
}

// start runs a rollout file; it takes free ports for itself.
func start(t *testing.T, file, state string, more ...string) *life {
	t.Helper()
	args := append([]string{"run", "-f", file, "--state", state, "--api", "127.0.0.1:0", "-o", "json"}, more...)
	l := &life{t: t, cmd: command(t, args...), lines: make(chan line, 4096), stderr: &bytes.Buffer{}}
	l.cmd.Stderr = l.stderr
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.late = time.AfterFunc(deadline, func() { _ = l.cmd.Process.Kill() })
	t.Cleanup(l.kill)
	go parse(out, l.lines)
	return l
}

// parse reads what the program prints; a last line that a kill cut is dropped.
func parse(out io.Reader, to chan<- line) {
	defer close(to)
	in := bufio.NewReader(out)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			panic(fmt.Sprintf("not a line of JSON: %s", text))
		}
		to <- l
	}
}

// next returns the next line, false at the end.
func (l *life) next() (line, bool) {
	x, ok := <-l.lines
	if x.Addresses != nil {
		l.gateway, l.dashboard = x.Addresses.Gateway, x.Addresses.Dashboard
	}
	return x, ok
}

// until reads lines until one is as wanted.
func (l *life) until(what string, is func(line) bool) line {
	l.t.Helper()
	for {
		x, ok := l.next()
		if !ok {
			l.t.Fatalf("the program ended before %s; it said:\n%s", what, l.end())
		}
		if is(x) {
			return x
		}
	}
}

// listening waits for the addresses.
func (l *life) listening() {
	l.t.Helper()
	if l.gateway == "" {
		l.until("it listened", func(x line) bool { return x.Addresses != nil })
	}
}

// kill is kill -9. It returns when the process is gone; it may be called again.
func (l *life) kill() {
	_ = l.cmd.Process.Kill()
	_ = l.end()
}

// end waits for the end of the process and returns its standard error.
func (l *life) end() string {
	for range l.lines {
	}
	_ = l.cmd.Wait()
	l.late.Stop()
	return l.stderr.String()
}

// outcome reads to the end and returns the exit code.
func (l *life) outcome() (code int, last line) {
	for {
		x, ok := l.next()
		if !ok {
			break
		}
		last = x
	}
	l.end()
	return l.cmd.ProcessState.ExitCode(), last
}

// clients is how many send requests at the same time.
const clients = 3

// load is the clients of a gateway that comes and goes.
type load struct {
	mu      sync.Mutex
	gateway string
	label   func(version string) string // what turns out to be true; nil: it is never told
	told    map[string]map[string]bool  // prediction IDs that a label was sent for, by version
	stop    context.CancelFunc
	clients sync.WaitGroup
	http    http.Client
}

// drive sends requests, a few at a time, until the test ends.
func drive(t *testing.T) *load { return driveLabelled(t, nil) }

// driveLabelled sends the labels too.
func driveLabelled(t *testing.T, label func(version string) string) *load {
	ctx, cancel := context.WithCancel(t.Context())
	d := &load{stop: cancel, label: label, told: map[string]map[string]bool{}, http: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	for range clients {
		d.clients.Go(func() {
			for ctx.Err() == nil {
				d.send(ctx)
				select { // so that a decision takes several blocks
				case <-ctx.Done():
				case <-time.After(2 * time.Millisecond):
				}
			}
		})
	}
	t.Cleanup(func() {
		d.stop()
		d.clients.Wait()
		d.http.CloseIdleConnections()
	})
	return d
}

// to turns the clients to a gateway.
func (d *load) to(gateway string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gateway = gateway
}

// labelled is how many predictions of a version a label was sent for.
func (d *load) labelled(version string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.told[version]))
}

// send sends one request. Nobody may be there to answer it.
func (d *load) send(ctx context.Context) {
	d.mu.Lock()
	at := d.gateway
	d.mu.Unlock()
	if at == "" {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at+"/score", strings.NewReader(`{"x":1}`))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.http.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if d.label != nil {
		d.tell(ctx, at, resp.Header.Get("X-Haldane-Version"), resp.Header.Get("X-Haldane-Prediction-Id"))
	}
}

// tell sends the label of a prediction, twice, as clients do that are not sure.
func (d *load) tell(ctx context.Context, at, version, id string) {
	if id == "" {
		return
	}
	d.mu.Lock()
	if d.told[version] == nil {
		d.told[version] = map[string]bool{}
	}
	d.told[version][id] = true
	d.mu.Unlock()
	for range 2 {
		body := strings.NewReader(fmt.Sprintf(`{"id":%q,"label":%q}`, id, d.label(version)))
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, at+"/feedback", body)
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		if resp, err := d.http.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
}

// write makes a file of a test's own.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rollout.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// document is a rollout file with these endpoints.
func document(stable, canary string) string {
	return fmt.Sprintf(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: strangers}
spec:
  endpoints:
    stable: {version: v1, %s, readiness: {interval: 100ms}}
    canary: {version: v2, %s, readiness: {interval: 100ms}}
  strategy: {canary: {scaleDownDelay: 100ms, steps: [{weight: 20}, {weight: 50}, {weight: 100}]}}
  routing: {gateway: {listen: "127.0.0.1:0"}}
  analysis:
    interval: 100ms
    warmup: 100ms
    maxDuration: 100s
    onDeadline: Hold
    metrics: [{name: errors, errorRate: {maxIncrease: 10pp}}]
`, stable, canary)
}

// at is the endpoint of a model that somebody else runs.
func at(m *model) string { return fmt.Sprintf("url: %q", m.url) }

func decode[T any](t *testing.T, data []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

// freeAddress is one that nobody listens on, for files that must name one.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
