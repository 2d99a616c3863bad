package gateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// patience bounds how long a failing test waits for what should happen. A
// passing one does not wait for it.
const patience = 10 * time.Second

// ledger is a Recorder that keeps everything.
type ledger struct {
	mu        sync.Mutex
	assigned  []traffic.Choice
	exchanges []telemetry.Exchange
	pairs     []telemetry.Pair
	dropped   int
	changed   chan struct{} // closed and replaced at every change
}

func newLedger() *ledger { return &ledger{changed: make(chan struct{})} }

func (l *ledger) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) Assign(c traffic.Choice, _ *traffic.Split) {
	l.note(func() { l.assigned = append(l.assigned, c) })
}

func (l *ledger) Observe(x *telemetry.Exchange) {
	l.note(func() {
		e := *x
		e.Predictions = append([]inference.Prediction(nil), x.Predictions...)
		l.exchanges = append(l.exchanges, e)
	})
}

func (l *ledger) ObservePair(p telemetry.Pair) { l.note(func() { l.pairs = append(l.pairs, p) }) }
func (l *ledger) MirrorDropped()               { l.note(func() { l.dropped++ }) }

// await returns when cond holds of the ledger, which it may read.
func (l *ledger) await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	end := time.After(patience)
	for {
		l.mu.Lock()
		ok, changed := cond(), l.changed
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("never saw %s; exchanges %+v, pairs %+v", what, l.exchanges, l.pairs)
		}
	}
}

// exchange returns the nth exchange when it has been observed.
func (l *ledger) exchange(t *testing.T, n int) telemetry.Exchange {
	t.Helper()
	l.await(t, "the exchange", func() bool { return len(l.exchanges) > n })
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.exchanges[n]
}

// rig is a gateway that listens, in front of one or two upstreams.
type rig struct {
	*Gateway
	ledger *ledger
	codec  *predictionid.Codec
	addr   string
	table  Table
	stop   func() error // ends serving and returns what Serve returned
}

func (r *rig) url(path string) string { return "http://" + r.addr + path }

// start serves a gateway whose stable and canary are the handlers; a nil handler
// is an arm without endpoint.
func start(t *testing.T, stable, canary http.Handler, change ...func(*Config)) *rig {
	t.Helper()
	var table Table
	table.Rollout, table.Revision = "churn", "r2"
	for arm, h := range []http.Handler{stable, canary} {
		version := []string{"v1", "v2"}[arm]
		table.Upstreams[arm] = Upstream{Version: version}
		if h != nil {
			table.Upstreams[arm].URL = serveUpstream(t, h)
		}
	}
	return startTable(t, table, change...)
}

// serveUpstream serves h over HTTP/1 and HTTP/2 in clear text.
func serveUpstream(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func startTable(t *testing.T, table Table, change ...func(*Config)) *rig {
	t.Helper()
	reader, err := inference.New(inference.Options{})
	must(t, err)
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	must(t, err)
	r := &rig{ledger: newLedger(), codec: codec, table: table}
	c := Config{Recorder: r.ledger, Reader: reader, Codec: codec, Logger: slog.New(slog.DiscardHandler)}
	c.Limits.Drain = patience
	for _, f := range change {
		f(&c)
	}
	r.Gateway, err = New(c)
	must(t, err)
	must(t, r.SetTable(table))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, ln) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
		must(t, r.Close())
	})
	return r
}

// split makes s the split of the running table.
func (r *rig) split(t *testing.T, s traffic.Split) {
	t.Helper()
	r.table.Split = s
	must(t, r.SetTable(r.table))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client keeps connections for itself and gives nothing back on its own.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// do sends a request and returns the response with its body read.
func do(t *testing.T, c *http.Client, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	must(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	must(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp, string(got)
}

// answer is an upstream that always says the same.
func answer(contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	})
}

const inferPath = "/v2/models/churn/infer"

// oip is an Open Inference Protocol answer of one prediction.
func oip(value string) string {
	return `{"model_name":"churn","outputs":[{"name":"probability","shape":[1],"datatype":"FP64","data":[` + value + `]}]}`
}

func TestServes(t *testing.T) {
	r := start(t, answer("application/json", oip("0.9")), nil)
	resp, body := do(t, client(t), "POST", r.url(inferPath), `{"id":"c-1","inputs":[]}`)
	if resp.StatusCode != 200 || body != oip("0.9") {
		t.Fatalf("got %d %q", resp.StatusCode, body)
	}
	if v := resp.Header.Get(HeaderVersion); v != "v1" {
		t.Errorf("version %q, want v1", v)
	}
	claims, err := r.codec.Decode(resp.Header.Get(HeaderPredictionID))
	must(t, err)
	if claims.Arm != uint8(traffic.Stable) || !claims.HasScore || claims.Score != 0.9 || claims.Class == "" ||
		claims.Rollout != predictionid.Hash32("churn") || claims.Revision != predictionid.Hash32("r2") {
		t.Errorf("prediction ID says %+v", claims)
	}
	x := r.ledger.exchange(t, 0)
	if x.Arm != traffic.Stable || x.Failed || x.Status != 200 || !x.Read || len(x.Predictions) != 1 || x.Protocol != inference.OpenInference {
		t.Errorf("recorded %+v", x)
	}
}

func prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}
