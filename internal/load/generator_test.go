package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// server answers without a network.
type server struct {
	mu    sync.Mutex
	slow  time.Duration
	err   error
	at    []time.Time
	seen  []*http.Request
	texts map[string]int // bodies
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.at, s.seen = append(s.at, time.Now()), append(s.seen, r)
	s.texts[string(body)]++
	slow, err := s.slow, s.err
	s.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

func (s *server) config() Config {
	return Config{
		Rate: 20, Method: http.MethodPost, Path: "/score?a=b", Header: map[string]string{"Host": "churn.shop", "X-Team": "a"},
		Address:    func(context.Context) (string, error) { return "http://gateway/", nil },
		Bodies:     func(context.Context) ([][]byte, error) { return Lines([]byte("1\n\n 2 \n3")), nil },
		MarkHeader: "X-Mark", Mark: "secret", Concurrent: 64, Timeout: 30 * time.Second, Transport: s,
	}
}

func newServer() *server { return &server{texts: map[string]int{}} }

func about(p rollout.Phase, live time.Time) engine.About {
	return engine.About{Now: time.Now(), State: rollout.State{Phase: p, Live: live}}
}

// TestItSendsWhileThereIsTraffic: at its rate, and neither before nor after.
func TestItSendsWhileThereIsTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		g := New(s.config())
		g.Signals(about(rollout.Initializing, time.Time{}))
		time.Sleep(time.Minute)
		if s.count() > 0 {
			t.Errorf("%d requests before there is traffic", s.count())
		}
		for range 10 {
			if signals := g.Signals(about(rollout.Progressing, time.Now())); len(signals) > 0 {
				t.Errorf("signals %+v", signals)
			}
			time.Sleep(time.Second)
		}
		if n := s.count(); n < 199 || n > 201 {
			t.Errorf("%d requests in 10 s at 20/s", n)
		}
		g.Signals(about(rollout.RolledBack, time.Now()))
		synctest.Wait()
		n := s.count()
		time.Sleep(time.Minute)
		if s.count() != n {
			t.Errorf("%d requests after the end", s.count()-n)
		}
		r := s.seen[0]
		if r.URL.String() != "http://gateway/score?a=b" || r.Host != "churn.shop" || r.Header.Get("X-Team") != "a" ||
			r.Header.Get("X-Mark") != "secret" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("sent %s %s %v", r.Method, r.URL, r.Header)
		}
		for _, body := range []string{"1", "2", "3"} {
			if got := s.texts[body]; math.Abs(float64(got)-float64(n)/3) > 1 {
				t.Errorf("body %s was sent %d times of %d", body, got, n)
			}
		}
		g.Close()
		g.Signals(about(rollout.Progressing, time.Now()))
		time.Sleep(time.Minute)
		if s.count() != n {
			t.Error("it sends after Close")
		}
	})
}

// TestAuthorization is read once a minute; without it nothing is sent.
func TestAuthorization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newServer(), newServer().config()
		c.Transport = s
		var there atomic.Bool // the Secret is
		var reads atomic.Int64
		c.Authorization = func(context.Context) (string, error) {
			if !there.Load() {
				return "", errors.New("read Secret load: it is not there")
			}
			return fmt.Sprintf("Bearer %d", reads.Add(1)), nil
		}
		g := New(c)
		g.Signals(about(rollout.Progressing, time.Now()))
		time.Sleep(time.Minute)
		if s.count() > 0 {
			t.Errorf("%d requests without a token", s.count())
		}
		there.Store(true)
		time.Sleep(125 * time.Second)
		g.Close()
		first, last := s.seen[0].Header.Get("Authorization"), s.seen[len(s.seen)-1].Header.Get("Authorization")
		if n := reads.Load(); first != "Bearer 1" || last != "Bearer 3" || n != 3 {
			t.Errorf("sent %q at first and %q at last, read %d times", first, last, n)
		}
	})
}

// TestOpenLoop: a slow server is asked as often as a quick one, until too many
// are under way; those are counted and told.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.slow = 2 * time.Second // 40 under way
		g := New(s.config())
		live := about(rollout.Progressing, time.Now())
		g.Signals(live)
		time.Sleep(10 * time.Second)
		if n := s.count(); n < 199 {
			t.Errorf("%d requests in 10 s at 20/s to a slow server", n)
		}
		s.mu.Lock()
		s.slow = 10 * time.Second
		s.mu.Unlock()
		time.Sleep(30 * time.Second)
		if n := s.count(); n < 350 || n > 500 { // 64 in each 10 s
			t.Errorf("%d requests in 40 s, 30 of which 64 at a time took 10 s each", n)
		}
		signals := g.Signals(live)
		if len(signals) != 1 || signals[0].Effect != rollout.SignalWarn || !strings.Contains(signals[0].Message, "were not sent, because 64 were under way") {
			t.Errorf("signals %+v", signals)
		}
		g.Close()
	})
}

func TestDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		c := s.config()
		c.Duration = 10 * time.Second
		g := New(c)
		defer g.Close()
		live := time.Now()
		for range 60 {
			g.Signals(about(rollout.Progressing, live))
			time.Sleep(time.Second)
		}
		if n := s.count(); n < 195 || n > 205 {
			t.Errorf("%d requests, want those of 10 s at 20/s", n)
		}
	})
}

// TestFill sends what users do not.
func TestFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		c := s.config()
		var mu sync.Mutex
		users, rate := 0.0, 0.0
		c.UserRequests = func() uint64 { mu.Lock(); defer mu.Unlock(); return uint64(users) }
		g := New(c)
		defer g.Close()
		send := func(seconds int, r float64) int {
			mu.Lock()
			rate = r
			mu.Unlock()
			before := s.count()
			for range seconds * 10 {
				g.Signals(about(rollout.Progressing, time.Now()))
				mu.Lock()
				users += rate / 10
				mu.Unlock()
				time.Sleep(100 * time.Millisecond)
			}
			return s.count() - before
		}
		if n := send(10, 0); n < 199 || n > 201 {
			t.Errorf("%d requests in 10 s beside no users", n)
		}
		send(10, 15)
		if n := send(20, 15); n < 90 || n > 110 {
			t.Errorf("%d requests in 20 s beside 15 users a second, want 100", n)
		}
		send(10, 30)
		if n := send(20, 30); n > 0 {
			t.Errorf("%d requests beside 30 users a second", n)
		}
		send(10, 0)
		if n := send(10, 0); n < 195 || n > 201 {
			t.Errorf("%d requests in 10 s after users have left", n)
		}
	})
}

// TestTroubles are told as warnings, and end.
func TestTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		c := s.config()
		var there atomic.Bool
		c.Bodies = func(context.Context) ([][]byte, error) {
			if !there.Load() {
				return nil, errors.New("ConfigMap lines is not there")
			}
			return [][]byte{nil}, nil
		}
		g := New(c)
		defer g.Close()
		told := func(want string) {
			t.Helper()
			synctest.Wait()
			signals := g.Signals(about(rollout.Paused, time.Now()))
			switch {
			case want == "" && len(signals) > 0:
				t.Errorf("signals %+v", signals)
			case want != "" && (len(signals) != 1 || !strings.Contains(signals[0].Message, want)):
				t.Errorf("signals %+v, want %q", signals, want)
			}
		}
		g.Signals(about(rollout.Paused, time.Now()))
		told("nothing is sent: ConfigMap lines is not there")
		there.Store(true)
		time.Sleep(6 * time.Second)
		told("")
		if s.count() == 0 || s.seen[0].Header.Get("Content-Type") != "" {
			t.Errorf("%d requests", s.count())
		}
		s.mu.Lock()
		s.err = errors.New("connection refused")
		s.mu.Unlock()
		time.Sleep(30 * time.Second)
		told("requests had no answer: connection refused")
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		time.Sleep(30 * time.Second)
		told("")
	})
}

// TestUsers: keys are as many as asked for, and no key is tied to a body.
func TestUsers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bodies, users := rapid.IntRange(1, 8).Draw(t, "bodies"), rapid.IntRange(2, 8).Draw(t, "users")
		all := make([][]byte, bodies)
		for i := range all {
			all[i] = []byte{byte('a' + i)}
		}
		d, again := newDraw(all, users), newDraw(all, users)
		pairs := map[string]int{}
		for i := range 200 * bodies * users {
			body, user := d.next()
			if b, u := again.next(); string(b) != string(body) || u != user {
				t.Fatalf("request %d is another in a second run", i)
			}
			pairs[string(body)+user]++
		}
		if len(pairs) != bodies*users {
			t.Fatalf("%d of %d pairs of body and user", len(pairs), bodies*users)
		}
		for pair, n := range pairs {
			if n < 100 || n > 300 {
				t.Fatalf("%s came %d times, where 200 were expected", pair, n)
			}
		}
	})
}

func TestUserFields(t *testing.T) {
	for _, header := range []string{"X-User-Id", ""} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			c := s.config()
			c.Users, c.UserHeader, c.UserCookie = 5, header, "session"
			g := New(c)
			g.Signals(about(rollout.Progressing, time.Now()))
			time.Sleep(10 * time.Second)
			g.Close()
			keys := map[string]bool{}
			for _, r := range s.seen {
				key := r.Header.Get("X-User-Id")
				if c, err := r.Cookie("session"); err == nil {
					key = c.Value
				}
				keys[key] = true
			}
			if len(keys) != 5 || keys[""] {
				t.Errorf("keys %v", keys)
			}
		})
	}
}
