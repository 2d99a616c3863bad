package cli

import (
	"context"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web"
)

// one serves a single rollout whose statuses a test hands in.
type one struct {
	status  engine.Status
	updates chan web.Update
	blocks  []engine.Block
}

func (o *one) List(context.Context) ([]engine.Status, error) { return []engine.Status{o.status}, nil }
func (o *one) Status(_ context.Context, name string) (engine.Status, error) {
	if name != o.status.Name {
		return engine.Status{}, web.ErrNotFound
	}
	return o.status, nil
}
func (o *one) Blocks(context.Context, string, int) ([]engine.Block, error)  { return o.blocks, nil }
func (o *one) Events(context.Context, string, int) ([]rollout.Event, error) { return nil, nil }
func (o *one) Submit(context.Context, string, rollout.Command) (rollout.Reply, error) {
	return rollout.Reply{Accepted: true, Message: "done"}, nil
}
func (o *one) Subscribe(context.Context, string) (<-chan web.Update, error) { return o.updates, nil }

// serving returns the address of a rollout with the given phases, one after the other.
func serving(t *testing.T, statuses ...engine.Status) string {
	t.Helper()
	o := &one{status: statuses[0], updates: make(chan web.Update, len(statuses)), blocks: []engine.Block{{Block: 1, Arms: map[string]engine.BlockArm{"canary": {Requests: 7}}}}}
	for i := range statuses {
		o.updates <- web.Update{Status: &statuses[i]}
	}
	s, err := web.New(o, web.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler(true))
	t.Cleanup(server.Close)
	return server.URL
}

func in(p rollout.Phase) engine.Status {
	return engine.Status{Name: "churn", Phase: p, Reason: "r", Stable: rollout.Revision{Version: "v1"}, Canary: rollout.Revision{Version: "v2", Hash: "abc"}}
}

func TestWait(t *testing.T) {
	held := in(rollout.Paused)
	held.Hold = &engine.Hold{Kind: engine.HeldAtDeadline}
	of := func(version string, s engine.Status) engine.Status { s.Canary.Version = version; return s }
	climbing, promoted, back := in(rollout.Progressing), in(rollout.Promoted), in(rollout.RolledBack)
	for _, tc := range []struct {
		name     string
		statuses []engine.Status
		args     []string
		code     int
		says     string
	}{
		{"promoted", []engine.Status{climbing, promoted}, nil, 0, ""},
		{"rolled back", []engine.Status{climbing, back}, nil, 3, ""},
		{"held", []engine.Status{climbing, held}, nil, 4, ""},
		{"for promoted, rolled back", []engine.Status{climbing, back}, []string{"--for=Promoted"}, 3, ""},
		{"for rolled back", []engine.Status{climbing, back}, []string{"--for", "rolledback"}, 3, ""},
		{"for rolled back, promoted", []engine.Status{climbing, promoted}, []string{"--for=RolledBack"}, 0, ""},
		{"for a pause", []engine.Status{climbing, in(rollout.Paused), back}, []string{"--for=Paused"}, 0, ""},
		{"for a pause, held", []engine.Status{climbing, held}, []string{"--for=Paused"}, 4, ""},
		{"completed", []engine.Status{climbing, in(rollout.Completed)}, nil, 0, ""},
		{"for promoted, completed", []engine.Status{climbing, in(rollout.Completed)}, []string{"--for=Promoted"}, 1, "Completed without having been seen Promoted"},
		{"for a pause that never was", []engine.Status{climbing, promoted}, []string{"--for=Paused"}, 1, "Promoted without having been seen Paused"},
		{"of a version", []engine.Status{of("v1", promoted), of("v2", climbing), of("v2", back)}, []string{"--revision", "v2"}, 3, ""},
		{"of a hash", []engine.Status{back}, []string{"--revision", "abc"}, 3, ""},
		{"late", []engine.Status{climbing}, []string{"--timeout", "2s"}, 1, "after 2s churn is Progressing"},
		{"late for a version", []engine.Status{promoted}, []string{"--revision", "v3", "--timeout", "100ms"}, 1, "no rollout of v3 was seen"},
		{"no such goal", []engine.Status{climbing}, []string{"--for=Done"}, 2, "want ended, Idle"},
		{"no such time", []engine.Status{climbing}, []string{"--timeout=-1s"}, 2, "--timeout"},
		{"no such report", []engine.Status{climbing}, []string{"--report", "x.pdf"}, 2, ".xml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out, errOut := run(t, engine.Outcome{}, nil, append([]string{"wait", "--server", serving(t, tc.statuses...)}, tc.args...)...)
			if code != tc.code || !strings.Contains(errOut, tc.says) || tc.says == "" && errOut != "" {
				t.Errorf("exit %d, says %q; want exit %d with %q", code, errOut, tc.code, tc.says)
			}
			if last := tc.statuses[len(tc.statuses)-1].Phase; tc.says == "" && tc.name != "for a pause" && !strings.HasPrefix(out, string(last)) {
				t.Errorf("printed %q, want %s first", out, last)
			}
		})
	}
}

// TestOrderAndWait: an order with --wait is given once the rollout is watched, and
// the end is that of the rollout.
func TestOrderAndWait(t *testing.T) {
	climbing := in(rollout.Progressing)
	for verb, last := range map[string]rollout.Phase{"promote": rollout.Promoted, "abort": rollout.RolledBack} {
		want := map[rollout.Phase]int{rollout.Promoted: 0, rollout.RolledBack: 3}[last]
		code, out, errOut := run(t, engine.Outcome{}, nil, verb, "--wait", "--server", serving(t, climbing, climbing, in(last)))
		if code != want || errOut != "" || !strings.Contains(out, string(last)) {
			t.Errorf("%s: exit %d, says %q, printed %q", verb, code, errOut, out)
		}
	}
}

// TestTimeoutWithoutWait: a flag that would do nothing is refused, and no order is
// given.
func TestTimeoutWithoutWait(t *testing.T) {
	code, out, errOut := run(t, engine.Outcome{}, nil, "promote", "--timeout", "1h", "--server", "http://127.0.0.1:1")
	if code != 2 || out != "" || !strings.Contains(errOut, "add --wait") {
		t.Errorf("exit %d, says %q, printed %q", code, errOut, out)
	}
}

// TestWaitForWhatIsNotThereYet: the program was started a moment ago.
func TestWaitForWhatIsNotThereYet(t *testing.T) {
	code, _, errOut := run(t, engine.Outcome{}, nil, "wait", "churn", "--server", "http://127.0.0.1:1", "--timeout", "600ms")
	if code != 1 || !strings.Contains(errOut, "still no answer") {
		t.Errorf("exit %d, says %q", code, errOut)
	}
}

func TestWaitJSON(t *testing.T) {
	code, out, _ := run(t, engine.Outcome{}, nil, "wait", "-o", "json", "--server", serving(t, in(rollout.RolledBack)))
	want := "{\n  \"phase\": \"RolledBack\",\n  \"held\": false,\n  \"reason\": \"r\",\n  \"exitCode\": 3\n}\n"
	if code != 3 || out != want {
		t.Errorf("exit %d, printed %s", code, out)
	}
}

func TestReport(t *testing.T) {
	server := serving(t, in(rollout.RolledBack))
	for format, says := range map[string]string{"markdown": "## churn: ❌ v2 taken back", "junit": `<testsuite name="churn"`, "json": `"result": "rolled back"`} {
		code, out, errOut := run(t, engine.Outcome{}, nil, "report", "-o", format, "--server", server)
		if code != 0 || errOut != "" || !strings.Contains(out, says) {
			t.Errorf("%s: exit %d, says %q, printed %s", format, code, errOut, out)
		}
	}
	if code, _, errOut := run(t, engine.Outcome{}, nil, "report", "-o", "pdf", "--server", server); code != 2 || !strings.Contains(errOut, "want markdown, junit or json") {
		t.Errorf("exit %d, says %q", code, errOut)
	}
}

// TestReportFiles: of wait and of run, each in the format of its ending, and
// what cannot be written is said and changes no exit code.
func TestReportFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	waited := []string{"wait", "--server", serving(t, in(rollout.Progressing), in(rollout.RolledBack)), "--report", at("a.xml"), "--report", at("a.md")}
	if code, _, errOut := run(t, engine.Outcome{}, nil, waited...); code != 3 || errOut != "" {
		t.Errorf("exit %d, says %q", code, errOut)
	}
	var doc struct {
		Failures int `xml:"failures,attr"`
	}
	text, err := os.ReadFile(at("a.xml"))
	if err != nil || xml.Unmarshal(text, &doc) != nil || doc.Failures != 1 {
		t.Errorf("%v: %s", err, text)
	}
	if text, err := os.ReadFile(at("a.md")); err != nil || !strings.Contains(string(text), "canary | v2 | 7 |") {
		t.Errorf("%v: %s", err, text)
	}
	if err := os.Mkdir(at("gone"), 0o700); err != nil {
		t.Fatal(err)
	}
	code := Main(t.Context(), []string{"run", "-f", write(t, valid), "--report", at("gone/b.json"), "--report", at("b.json")}, io.Discard, io.Discard, Program{
		Run: func(_ context.Context, o RunOptions) (engine.Outcome, error) {
			if err := os.Remove(at("gone")); err != nil {
				t.Error(err)
			}
			o.Report(report.Source{Status: in(rollout.Promoted)})
			return engine.Outcome{Phase: rollout.Promoted}, nil
		},
	})
	if entries, err := os.ReadDir(dir); code != 0 || err != nil || len(entries) != 2 {
		t.Errorf("exit %d, %v, files %v", code, err, entries)
	}
}
