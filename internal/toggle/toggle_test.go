package toggle

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// keeper is somebody who keeps a switch.
type keeper struct {
	mu  sync.Mutex
	at  Position
	err error
	lag time.Duration
}

func (k *keeper) set(p Position, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.err = p, err
}

func (k *keeper) read(ctx context.Context) (Position, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-time.After(k.lag):
		return k.at, k.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func about() engine.About {
	var s rollout.State
	s.Plan.Canary.Hash, s.Attempt = "r2", 1
	return engine.About{State: s}
}

// says is the effect and the message of the only signal, "" if there is none.
func says(t *testing.T, s *Switch) string {
	t.Helper()
	all := s.Signals(about())
	if len(all) == 0 {
		return ""
	}
	x := all[0]
	if len(all) > 1 || x.Name != Name || x.Judged != (rollout.Judged{Revision: "r2", Attempt: 1}) {
		t.Errorf("signals %+v", all)
	}
	return string(x.Effect) + ": " + x.Message
}

func TestPositions(t *testing.T) {
	for _, hold := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			unknown := func(message string) string {
				if hold {
					return "Hold: the flag a " + message
				}
				return ""
			}
			k := &keeper{err: errors.New("no route to host")}
			var woken atomic.Int64
			s := New(Config{What: "the flag a", Read: k.read, Every: 10 * time.Second, Timeout: 2 * time.Second, Hold: hold, Logger: slog.New(slog.DiscardHandler)})
			if got := says(t, s); got != unknown("has not been read yet") {
				t.Errorf("before the first reading: %q", got)
			}
			s.Bind(func() { woken.Add(1) })
			defer s.Close()
			after := func(d time.Duration, want string) {
				t.Helper()
				time.Sleep(d)
				synctest.Wait()
				if got := says(t, s); got != want {
					t.Errorf("%q, want %q", got, want)
				}
			}
			after(time.Second, unknown("cannot be read: no route to host"))
			k.set(Run, nil)
			after(10*time.Second, "")
			k.set(Hold, nil)
			before := woken.Load()
			after(10*time.Second, "Hold: the flag a says hold")
			if n := woken.Load(); n != before+1 {
				t.Errorf("woken %d times by one change", n-before)
			}
			before = woken.Load()
			after(10*time.Second, "Hold: the flag a says hold")
			if woken.Load() != before {
				t.Error("woken by no change")
			}
			k.set(Rollback, nil)
			after(10*time.Second, "Rollback: the flag a says rollback")
			k.set(Run, nil)
			after(10*time.Second, "")
			// What was known stands for a while.
			k.set(Hold, errors.New("gone"))
			after(20*time.Second, "")
			after(20*time.Second, unknown("cannot be read: gone"))
			k.mu.Lock()
			k.lag = time.Minute
			k.mu.Unlock()
			after(15*time.Second, unknown("cannot be read: no answer within 2s"))
			if got := s.Answers(about(), []rollout.Gate{{ID: "x"}}); got != nil {
				t.Errorf("it answers for others: %v", got)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for value, want := range map[any]Position{
		true: Run, false: Hold, "true": Run, "false": Hold, "run": Run, "hold": Hold, "rollback": Rollback,
	} {
		if got, err := Parse(value); err != nil || got != want {
			t.Errorf("%v: %s, %v", value, got, err)
		}
	}
	for _, value := range []any{nil, "", "stop", 1.0, "TRUE"} {
		if got, err := Parse(value); err == nil || got != "" {
			t.Errorf("%v: %s", value, got)
		}
	}
}

func TestFlag(t *testing.T) {
	var mu sync.Mutex
	status, body := 200, `{"key":"a b","value":"rollback","reason":"STATIC"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		if r.URL.EscapedPath() != "/base/ofrep/v1/evaluate/flags/a%20b" || r.Header.Get("Authorization") != "Bearer secret" ||
			string(sent) != `{"context":{"targetingKey":"churn","team":"ml"}}` || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("asked %s %v %s", r.URL.EscapedPath(), r.Header, sent)
		}
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	f := Flag{
		URL: server.URL + "/base/", Key: "a b", Context: map[string]string{"targetingKey": "churn", "team": "ml"},
		Token: func(context.Context) ([]byte, error) { return []byte("secret"), nil }, Client: outbound.New(outbound.Options{}),
	}
	if got, err := f.Read(t.Context()); err != nil || got != Rollback {
		t.Errorf("%s, %v", got, err)
	}
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{200, `{"value":7}`, "7"}, {200, `{"key":"a"}`, "no value"}, {200, `nonsense`, "no JSON"},
		{404, `{"errorCode":"FLAG_NOT_FOUND","errorDetails":"there is none"}`, "FLAG_NOT_FOUND"}, {502, `bad gateway`, "502"},
	} {
		mu.Lock()
		status, body = c.status, c.body
		mu.Unlock()
		if got, err := f.Read(t.Context()); err == nil || got != "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %s: %s, %v", c.status, c.body, got, err)
		}
	}
	f.Token = func(context.Context) ([]byte, error) { return nil, errors.New("no such variable") }
	if _, err := f.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "no such variable") {
		t.Errorf("without its token: %v", err)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "switch")
	read := File(path)
	if got, err := read(t.Context()); err == nil {
		t.Errorf("no file: %s", got)
	}
	for text, want := range map[string]Position{"hold\n": Hold, " true ": Run, "rollback": Rollback, "": "", "run\nhold": "", strings.Repeat(" ", maxFile) + "run": ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(t.Context()); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %s, %v; want %q", text, got, err, want)
		}
	}
	if _, err := File(t.TempDir())(t.Context()); err == nil {
		t.Error("a folder is no file")
	}
}
