package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// gateways is an API server in memory, two models, and replicas of a gateway in
// this process.
type gateways struct {
	t      *testing.T
	client client.WithWatch
	models [traffic.NumArms]string
	key    string

	mu    sync.Mutex
	addrs []string // host and port of every replica's ops
}

// served is a replica that runs.
type served struct {
	*replica
	url, ops string
	stop     context.CancelFunc
	done     chan error
}

func newGateways(t *testing.T) *gateways {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	g := &gateways{t: t, client: fake.NewClientBuilder().WithScheme(scheme).Build(), key: filepath.Join(t.TempDir(), "key")}
	if err := os.WriteFile(g.key, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	for arm := range g.models {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"model_name":"churn","outputs":[{"name":"class","datatype":"INT64","shape":[1],"data":[%d]}]}`, arm)
		}))
		t.Cleanup(s.Close)
		g.models[arm] = s.URL
	}
	return g
}

func (g *gateways) look(context.Context) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.addrs...), nil
}

func settingsOf(t *testing.T) string {
	t.Helper()
	m := v1alpha1.ModelRollout{ObjectMeta: metav1.ObjectMeta{Name: "churn", Namespace: "shop"}}
	m.Spec.Routing = v1alpha1.Routing{Gateway: &v1alpha1.Gateway{}, StickyBy: &v1alpha1.StickyBy{Header: "x-user"}}
	m.Spec.Analysis.Metrics = []v1alpha1.Metric{
		{Name: "errors", ErrorRate: &v1alpha1.ErrorRate{}}, {Name: "conversion", Mean: &v1alpha1.Mean{Of: "conversion", Event: "checkout"}},
	}
	m.DefaultCluster()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start begins a replica and waits until it listens.
func (g *gateways) start() *served {
	g.t.Helper()
	return g.startAs(func(*cli.GatewayOptions) {})
}

// startAs is start with other options.
func (g *gateways) startAs(change func(*cli.GatewayOptions)) *served {
	g.t.Helper()
	o := cli.GatewayOptions{
		Namespace: "shop", Table: "churn-gateway", Settings: settingsOf(g.t), Key: g.key,
		State: filepath.Join(g.t.TempDir(), "state", "gateway.db"), Listen: "127.0.0.1:0", Ops: "127.0.0.1:0", Self: "127.0.0.1",
		Logger: slog.New(slog.DiscardHandler),
	}
	change(&o)
	r := &replica{client: g.client, look: g.look, options: o}
	if err := r.open(); err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(g.t.Context())
	s := &served{replica: r, url: "http://" + r.data.Addr().String(), ops: "http://" + r.ops.Addr().String(), stop: cancel, done: make(chan error, 1)}
	g.mu.Lock()
	g.addrs = append(g.addrs, r.ops.Addr().String())
	g.mu.Unlock()
	go func() { s.done <- r.run(ctx) }()
	g.t.Cleanup(func() {
		cancel()
		select {
		case err := <-s.done:
			if err != nil {
				g.t.Error(err)
			}
		case <-time.After(30 * time.Second):
			g.t.Error("a replica does not end")
		}
		if err := r.close(); err != nil {
			g.t.Error(err)
		}
	})
	return s
}

// table writes one, and returns its digest.
func (g *gateways) table(d fleet.Document) string {
	g.t.Helper()
	d.Rollout = "shop/churn"
	for arm := range d.Arms {
		if d.Flag {
			break // they are served nowhere
		}
		d.Arms[arm] = fleet.Door{URL: g.models[arm], Version: fmt.Sprintf("v%d", arm+1)}
	}
	text, err := d.Encode()
	if err != nil {
		g.t.Fatal(err)
	}
	t := &v1alpha1.GatewayTable{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "churn-gateway"}}
	err = g.client.Get(g.t.Context(), client.ObjectKeyFromObject(t), t)
	t.Spec.Table = text
	if err != nil {
		err = g.client.Create(g.t.Context(), t)
	} else {
		err = g.client.Update(g.t.Context(), t)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return fleet.Digest(text)
}

// eventually asks again until f says yes.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// carries waits until a replica says that it carries a table.
func (s *served) carries(t *testing.T, digest string) {
	t.Helper()
	eventually(t, "the table is carried", func() bool {
		_, body := get(t, s.ops+fleet.AckPath+"?"+fleet.AckWant+"="+digest)
		var a fleet.Ack
		return json.Unmarshal([]byte(body), &a) == nil && a.Digest == digest
	})
}

// predict sends one request and returns the version that answered and the
// prediction ID.
func (s *served) predict(t *testing.T, user, requestID string) (version, id string) {
	t.Helper()
	body := `{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[1]}]}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v2/models/churn/infer", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-User", user)
	if requestID != "" {
		r.Header.Set("X-Request-Id", requestID)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("%d: %s", res.StatusCode, text)
	}
	return res.Header.Get("X-Haldane-Version"), res.Header.Get("X-Haldane-Prediction-Id")
}

// tell sends feedback and returns what became of each item.
func (s *served) tell(t *testing.T, body string) (int, []feedback.Status) {
	t.Helper()
	return s.send(t, "/feedback", body)
}

func (s *served) send(t *testing.T, path, body string) (int, []feedback.Status) {
	t.Helper()
	res, err := http.Post(s.url+path, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var receipt feedback.Receipt
	_ = json.NewDecoder(res.Body).Decode(&receipt)
	var out []feedback.Status
	for _, x := range receipt.Results {
		out = append(out, x.Status)
	}
	return res.StatusCode, out
}

// TestGatewaysAgree: two replicas follow one table, keep the same users on the
// same arms, read each other's prediction IDs, and count feedback once that is
// sent to both.
func TestGatewaysAgree(t *testing.T) {
	g := newGateways(t)
	all := []*served{g.start(), g.start()}
	for _, s := range all {
		if code, body := get(t, s.ops+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no routing table") {
			t.Errorf("without a table: %d %s", code, body)
		}
		if code, _ := get(t, s.ops+"/healthz"); code != http.StatusOK {
			t.Errorf("alive: %d", code)
		}
	}
	digest := g.table(fleet.Document{Revision: "r1", Split: traffic.Split{
		Generation: 1, Canary: traffic.Full / 2, Salt: "churn", Sticky: traffic.Sticky{Header: "x-user"},
	}})
	for _, s := range all {
		s.carries(t, digest)
		if code, _ := get(t, s.ops+"/readyz"); code != http.StatusOK {
			t.Errorf("with a table: %d", code)
		}
		if err := s.peers.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for i := range 40 {
		user := fmt.Sprintf("user-%d", i)
		first, id := all[0].predict(t, user, "")
		second, _ := all[1].predict(t, user, "")
		if first != second || id == "" {
			t.Fatalf("%s: %s at one replica, %s at the other; prediction ID %q", user, first, second, id)
		}
		seen[first]++
		right := strings.TrimPrefix(first, "v") == "1"
		item := fmt.Sprintf(`{"id":%q,"label":%d}`, id, map[bool]int{true: 0, false: 1}[right])
		if code, got := all[i%2].tell(t, item); code != http.StatusAccepted || len(got) != 1 || got[0] != feedback.Accepted {
			t.Fatalf("feedback: %d %v", code, got)
		}
		if code, got := all[(i+1)%2].tell(t, item); code != http.StatusAccepted || len(got) != 1 || got[0] != feedback.Duplicate {
			t.Fatalf("the same to the other replica: %d %v", code, got)
		}
	}
	if len(seen) != 2 {
		t.Errorf("all users are on one arm: %v", seen)
	}
	if a, b := labels(t, all[0]), labels(t, all[1]); a+b != 40 || a == 0 || b == 0 {
		t.Errorf("%d and %d labels were kept, want 40 in all and some at each", a, b)
	}
}

// TestGatewaysTakeEvents: of a user that another replica served, and once.
func TestGatewaysTakeEvents(t *testing.T) {
	g := newGateways(t)
	all := []*served{g.start(), g.start()}
	digest := g.table(fleet.Document{Revision: "r1", Split: traffic.Split{
		Generation: 1, Canary: traffic.Full / 2, Salt: "churn", Sticky: traffic.Sticky{Header: "x-user"},
	}})
	for _, s := range all {
		s.carries(t, digest)
		if err := s.peers.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		user := fmt.Sprintf("user-%d", i)
		_, id := all[i%2].predict(t, user, "")
		other := all[(i+1)%2]
		byUser := fmt.Sprintf(`{"name":"checkout","user":%q}`, user)
		eventually(t, "an event by user", func() bool { // the answer comes before the replica has noted it
			_, got := other.send(t, "/events", byUser)
			return len(got) == 1 && got[0] == feedback.Accepted
		})
		for _, s := range all {
			both := fmt.Sprintf(`[%s,{"name":"checkout","id":%q},{"name":"refund","id":%q}]`, byUser, id, id)
			code, got := s.send(t, "/events", both)
			if want := []feedback.Status{feedback.Duplicate, feedback.Duplicate, feedback.Unused}; code != http.StatusAccepted || !slices.Equal(got, want) {
				t.Errorf("%s: %d %v, want %v", user, code, got, want)
			}
		}
	}
	if n := labels(t, all[0]) + labels(t, all[1]); n != 6 {
		t.Errorf("%d events were kept, want 6", n)
	}
	if text := metricsOf(t, all[0]); !strings.Contains(text, `haldane_gateway_event_predictions_total{arm="canary",event="checkout",maturity="1800"`) {
		t.Errorf("Prometheus learns nothing of events:\n%s", text)
	}
}

// labels is how many a replica has kept.
func labels(t *testing.T, s *served) int64 {
	t.Helper()
	var n int64
	for _, line := range strings.Split(metricsOf(t, s), "\n") {
		if strings.HasPrefix(line, "haldane_gateway_feedback_total{") && strings.Contains(line, `status="accepted"`) {
			var x float64
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &x); err != nil {
				t.Fatal(err)
			}
			n += int64(x)
		}
	}
	return n
}

func metricsOf(t *testing.T, s *served) string {
	t.Helper()
	code, body := get(t, s.ops+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("metrics: %d %s", code, body)
	}
	return body
}
