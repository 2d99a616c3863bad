package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// book is a writer that several goroutines use.
type book struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *book) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.b.String(), text)
}

// TestTheExample runs rollout.yaml against the receiver, with servers and ports
// of the test's own and shorter blocks: it waits at the gate until that opens.
func TestTheExample(t *testing.T) {
	const secret = "a-secret-of-both"
	t.Setenv("HOOK_SECRET", secret)
	out := &book{}
	hooks := httptest.NewServer(receiver(secret, out))
	defer hooks.Close()
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"label":"yes","score":0.9}`)
	}))
	defer model.Close()
	other := httptest.NewServer(model.Config.Handler)
	defer other.Close()
	text, err := os.ReadFile("rollout.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := v1alpha1.Load("rollout.yaml", strings.NewReader(strings.NewReplacer(
		"http://127.0.0.1:9100", hooks.URL, "http://127.0.0.1:9001", model.URL, "http://127.0.0.1:9002", other.URL,
		`":8080"`, `"127.0.0.1:0"`, "warmup: 5s", "interval: 100ms\n    warmup: 200ms", "2pp", "20pp", "every: 2s", "every: 50ms",
	).Replace(string(text))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	load, stop := context.WithCancel(ctx)
	defer stop()
	end, err := app.Run(ctx, cli.RunOptions{
		Rollout: m, Dir: t.TempDir(), State: filepath.Join(t.TempDir(), "state.db"), API: "127.0.0.1:0",
		Logger: slog.New(slog.DiscardHandler),
		Ready: func(a cli.Addresses) {
			for range 4 {
				wg.Go(func() { users(load, a.Gateway) })
			}
			wg.Go(func() { person(load, out, hooks.URL) })
		},
	})
	if err != nil || end.Phase != rollout.Promoted {
		t.Fatalf("ended %+v, %v", end, err)
	}
	for _, want := range []string{`"kind":"Started"`, `"kind":"Promoted"`, "hooks good at 50%: Waiting for confirmPromotion", "the gate is closed", "hooks good at 100%"} {
		if !out.has(want) {
			t.Errorf("the receiver was not told %q", want)
		}
	}
}

// users send requests until ctx ends.
func users(ctx context.Context, gateway string) {
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/score", strings.NewReader(`{"x":1}`))
		if err != nil {
			return
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
}

// person opens the gate once the message has come that it is closed.
func person(ctx context.Context, out *book, hooks string) {
	for ctx.Err() == nil && !out.has("hooks good at 50%: Waiting for confirmPromotion") {
		time.Sleep(20 * time.Millisecond)
	}
	if resp, err := http.Post(hooks+"/gate/open", "", nil); err == nil {
		_ = resp.Body.Close()
	}
}

func TestOnlySignedRequestsPass(t *testing.T) {
	h := receiver("secret", io.Discard)
	for _, path := range []string{"/gate/check", "/log"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}"))
		r.Header.Set("Haldane-Timestamp", "1")
		r.Header.Set("Haldane-Signature", "sha256=00")
		h.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", path, w.Code)
		}
	}
}
