package prometheustest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// ScrapeInterval is how often a Process scrapes.
const ScrapeInterval = 250 * time.Millisecond

// Process is a real Prometheus that scrapes one target.
type Process struct {
	Address string

	t      testing.TB
	binary string
	args   []string
	end    func()
}

// Start runs a real Prometheus, with its data in a folder of the test's, until the
// test ends. It skips the test where none is installed. target is a host and port.
func Start(t testing.TB, target string, flags ...string) *Process {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed: the same is tested against a server that speaks its API")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs:\n- job_name: models\n  scrape_interval: %[1]s\n  scrape_timeout: %[1]s\n  honor_labels: true\n"+
		"  static_configs:\n  - targets: ['%[2]s']\n", ScrapeInterval, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p := &Process{Address: "http://" + listen, t: t, binary: binary}
	p.args = append([]string{"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + listen}, flags...)
	t.Cleanup(func() { p.Stop() })
	p.Again()
	return p
}

// Again starts it on the same data, and returns when it answers.
func (p *Process) Again() {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, p.binary, p.args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		p.t.Fatal(err)
	}
	p.end = sync.OnceFunc(func() {
		cancel()
		_ = cmd.Wait() // it was interrupted
		if p.t.Failed() {
			p.t.Logf("prometheus said:\n%s", &output)
		}
	})
	Await(p.t, "prometheus to be ready", func() bool {
		r, err := http.Get(p.Address + "/-/ready")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// Stop ends it in order; its data stay.
func (p *Process) Stop() { p.end() }

// Await polls until a condition holds, for a generous time.
func Await(t testing.TB, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ready() {
			return
		}
	}
	t.Fatalf("waited for %s in vain", what)
}
