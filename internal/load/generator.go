package load

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Config is that of New.
type Config struct {
	Rate float64 // requests a second
	// Address is where users call, like http://127.0.0.1:8080.
	Address func(context.Context) (string, error)
	Method  string
	Path    string // with its query
	Header  map[string]string
	// Authorization, if set, returns the header of that name, asked for again
	// every minute.
	Authorization func(context.Context) (string, error)
	// Bodies returns what is sent, read anew whenever sending begins; one empty
	// body is none.
	Bodies func(context.Context) ([][]byte, error)
	// Mark is the value of MarkHeader; without one nobody tells load from users.
	MarkHeader, Mark string
	// Users is the number of sticky keys, sent in the header, or else the cookie,
	// of that name; 0 sends none.
	Users                  int
	UserHeader, UserCookie string // names of a header and of a cookie, one of them ""
	Duration               time.Duration
	Concurrent             int
	Timeout                time.Duration
	// UserRequests, if set, returns how many requests of users there have been:
	// then Rate is of both together.
	UserRequests func() uint64
	Transport    http.RoundTripper // nil for one of its own
}

// Generator is the load of one rollout. It implements engine.Outside.
type Generator struct {
	cfg    Config
	client *http.Client
	ctx    context.Context
	end    context.CancelFunc

	mu   sync.Mutex
	halt context.CancelFunc // of what is sent now; nil if nothing is
	work sync.WaitGroup

	tally tally

	auth struct {
		sync.Mutex
		value string
		at    time.Time // when that was read
	}
}

var _ engine.Outside = (*Generator)(nil)

// New returns a generator that sends nothing until the engine says that there is
// traffic.
func New(c Config) *Generator {
	if c.Transport == nil {
		c.Transport = &http.Transport{MaxIdleConnsPerHost: c.Concurrent, IdleConnTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10}
	}
	g := &Generator{cfg: c, client: &http.Client{
		Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	g.ctx, g.end = context.WithCancel(context.Background())
	return g
}

// Bind implements engine.Outside.
func (g *Generator) Bind(func()) {}

// Answers implements engine.Outside: nobody asks.
func (g *Generator) Answers(engine.About, []rollout.Gate) []rollout.GateResult { return nil }

// Signals implements engine.Outside. It begins and ends the sending.
func (g *Generator) Signals(a engine.About) []rollout.Signal {
	st := a.State
	live := st.Phase == rollout.Progressing || st.Phase == rollout.Paused
	over := g.cfg.Duration > 0 && !st.Live.IsZero() && !a.Now.Before(st.Live.Add(g.cfg.Duration))
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.ctx.Err() != nil:
	case live && !over && g.halt == nil:
		ctx, halt := context.WithCancel(g.ctx)
		g.halt = halt
		g.work.Go(func() { g.run(ctx) })
	case (!live || over) && g.halt != nil:
		g.halt()
		g.halt = nil
	}
	if g.halt == nil {
		return nil
	}
	if wrong := g.tally.wrong(g.cfg); wrong != "" {
		return []rollout.Signal{{Name: "load", Effect: rollout.SignalWarn, Message: wrong}}
	}
	return nil
}

// Close implements engine.Outside. Requests under way are given up.
func (g *Generator) Close() {
	g.mu.Lock()
	g.end()
	g.mu.Unlock()
	g.work.Wait()
	g.client.CloseIdleConnections()
}

// tally counts by windows of time.
type tally struct {
	mu        sync.Mutex
	begun     time.Time
	now, last window
	trouble   string // why nothing is sent at all
}

// window is what became of the requests of some seconds.
type window struct {
	sent, missed, unanswered int64
	why                      string // of an unanswered one
}

// windowLength is how long troubles are told at least.
const windowLength = 10 * time.Second

// add changes the current window, or a new one when that is over.
func (t *tally) add(at time.Time, change func(*window)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.Sub(t.begun) >= windowLength {
		t.begun, t.last, t.now = at, t.now, window{}
	}
	change(&t.now)
}

func (t *tally) stuck(why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trouble = why
}

// wrong says what a person should know, "" if nothing.
func (t *tally) wrong(c Config) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.last
	if t.now.missed > w.missed || t.now.unanswered > w.unanswered {
		w = t.now
	}
	due := w.sent + w.missed
	switch {
	case t.trouble != "":
		return t.trouble
	case w.unanswered > 0 && 2*w.unanswered >= w.sent:
		return fmt.Sprintf("%d of %d requests had no answer: %s", w.unanswered, w.sent, w.why)
	case w.missed > 0 && 20*w.missed >= due:
		return fmt.Sprintf("%d of %d requests were not sent, because %d were under way or this process had no time: raise concurrent, or lower rate",
			w.missed, due, c.Concurrent)
	}
	return ""
}
