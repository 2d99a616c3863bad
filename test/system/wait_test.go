package system

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// TestWaitAndReport is what a pipeline does: it waits for the pause, approves,
// and waits for the end; run and wait write the same report.
func TestWaitAndReport(t *testing.T) {
	for _, tc := range []struct {
		command string
		code    int
		result  report.Result
	}{{"promote", 0, report.Promoted}, {"abort", 3, report.RolledBack}} {
		t.Run(tc.command, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l, file, state := paused(t, "--report", filepath.Join(dir, "run.json"))
			if code, out, errOut := l.ask("wait", "--for=Paused", "--timeout", "1m"); code != 0 || errOut != "" || !strings.HasPrefix(out, "Paused") {
				t.Fatalf("wait: exit code %d, printed %q, said %q", code, out, errOut)
			}
			if code, out, _ := l.ask("report"); code != 0 || !strings.Contains(out, "v2 is Paused") {
				t.Errorf("report: exit code %d, printed %s", code, out)
			}
			through, streaming := between(t, l.dashboard)
			waited := make(chan int, 1)
			go func() {
				code, _, _ := finish(t, command(t, "wait", "--server", through, "--report", filepath.Join(dir, "wait.json"), "--report", filepath.Join(dir, "wait.xml")))
				waited <- code
			}()
			<-streaming
			asks[rollout.Reply](l, tc.command)
			if code, _ := l.outcome(); code != tc.code {
				t.Errorf("run: exit code %d, want %d", code, tc.code)
			}
			if code := <-waited; code != tc.code {
				t.Errorf("wait: exit code %d, want %d", code, tc.code)
			}
			for _, name := range []string{"run.json", "wait.json"} {
				if r := readReport(t, filepath.Join(dir, name)); r.Result != tc.result || r.Arms["canary"].Requests == 0 || len(r.Events) < 4 || r.Steps[0].State != report.Passed || len(r.Metrics) != 1 {
					t.Errorf("%s: %+v", name, r)
				}
			}
			var doc struct {
				Tests int `xml:"tests,attr"`
			}
			if text, err := os.ReadFile(filepath.Join(dir, "wait.xml")); err != nil || xml.Unmarshal(text, &doc) != nil || doc.Tests < 4 {
				t.Errorf("%v: %s", err, text)
			}
			// Over, it is reported again from the state file.
			again := filepath.Join(dir, "again.json")
			code, _, errOut := haldane(t, "run", "-f", file, "--state", state, "--api", "127.0.0.1:0", "--report", again)
			if r := readReport(t, again); code != tc.code || errOut != "" || r.Result != tc.result || len(r.Events) < 4 {
				t.Errorf("run again: exit code %d, said %q, %+v", code, errOut, r)
			}
		})
	}
}

func readReport(t *testing.T, file string) report.Report {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return decode[report.Report](t, text)
}

// between returns an address that leads to server, and a channel that is closed
// when somebody has begun to read a stream through it.
func between(t *testing.T, server string) (address string, streaming <-chan struct{}) {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	begun, once := make(chan struct{}), sync.Once{}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			if strings.HasSuffix(r.Request.URL.Path, "/stream") {
				once.Do(func() { close(begun) })
			}
			return nil
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL, begun
}
