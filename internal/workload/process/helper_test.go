//go:build unix

package process

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// The tests run this binary again as the model: a real process that listens
// where it is told and leaves a file named after its process ID while it runs.
const helperMode = "HALDANE_PROCESS_TEST_MODE"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(helperMode); mode {
	case "":
		os.Exit(m.Run())
	case "parent":
		parent()
	default:
		model(mode)
	}
}

// model serves as the mode says until it is ended.
func model(mode string) {
	if dir := os.Getenv("MARKS"); dir != "" {
		mark := filepath.Join(dir, strconv.Itoa(os.Getpid()))
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	switch mode {
	case "crash":
		fmt.Fprintln(os.Stderr, "loading weights")
		fmt.Fprintln(os.Stderr, "no such file: weights.bin")
		os.Exit(3)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening on", l.Addr())
	if mode == "grpc" {
		s := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(s, health.NewServer())
		_ = s.Serve(l)
		return
	}
	var mu sync.Mutex
	sick := false
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if sick {
			http.Error(w, "sick", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/sicken", func(http.ResponseWriter, *http.Request) { mu.Lock(); defer mu.Unlock(); sick = true })
	mux.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.URL.Query().Get("name"))) })
	_ = http.Serve(l, mux)
}

// parent runs a workload until it is killed: it stands for Haldane.
func parent() {
	w, err := New(map[rollout.Role]Endpoint{
		traffic.Stable: helper("serve", os.Getenv("MARKS")), traffic.Canary: helper("serve", os.Getenv("MARKS")),
	}, Options{})
	if err == nil {
		err = w.Apply(context.Background(), workload.Target{}, rollout.Scale{Stable: true, Canary: true})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for range w.Changed() {
		all, _ := w.Observe(context.Background(), workload.Target{})
		if all[traffic.Stable].Ready && all[traffic.Canary].Ready {
			fmt.Println("both ready")
		}
	}
}

// helper is an endpoint that runs this binary.
func helper(mode, marks string) Endpoint {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Endpoint{
		Version: "v1", Hash: "a", Command: []string{self, "{address}"},
		Env:       map[string]string{helperMode: mode, "MARKS": marks},
		Readiness: Probe{Interval: 10 * time.Millisecond},
		StopGrace: 10 * time.Second,
	}
}

// alive returns the process IDs that left marks and still run.
func alive(t *testing.T, marks string) []int {
	t.Helper()
	entries, err := os.ReadDir(marks)
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if running(pid) {
			out = append(out, pid)
		}
	}
	return out
}

// running reports whether the process exists and has not ended unreaped.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		return err == nil && !strings.HasPrefix(string(out), "Z")
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

// world is a workload under test.
type world struct {
	*Workload
	t       *testing.T
	changed <-chan struct{}
	output  *buffer
}

type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var quick = pace{first: time.Millisecond, most: 4 * time.Millisecond, healthy: time.Minute, hopeless: 3}

func build(t *testing.T, stable, canary Endpoint) *world {
	t.Helper()
	out := &buffer{}
	w, err := New(map[rollout.Role]Endpoint{traffic.Stable: stable, traffic.Canary: canary}, Options{Logger: slog.New(slog.DiscardHandler), Output: out, backoff: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Release(context.Background(), workload.Target{}); err != nil {
			t.Error(err)
		}
	})
	return &world{Workload: w, t: t, changed: w.Changed(), output: out}
}

func (w *world) apply(s rollout.Scale) {
	w.t.Helper()
	if err := w.Apply(w.t.Context(), workload.Target{}, s); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) health(r rollout.Role) rollout.Health {
	w.t.Helper()
	all, err := w.Observe(w.t.Context(), workload.Target{})
	if err != nil {
		w.t.Fatal(err)
	}
	return all[r]
}

// until waits for changes until a role is as it should be.
func (w *world) until(r rollout.Role, what string, is func(rollout.Health) bool) rollout.Health {
	w.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		h := w.health(r)
		if is(h) {
			return h
		}
		select {
		case <-w.changed:
		case <-limit:
			w.t.Fatalf("%s never became %s: %+v\n%s", r, what, h, w.output)
		}
	}
}

func ready(h rollout.Health) bool { return h.Ready }

func (w *world) get(r rollout.Role, path string) (string, error) {
	resp, err := http.Get(w.URL(r) + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var b strings.Builder
	_, err = fmt.Fprint(&b, resp.Status)
	return b.String(), err
}
