package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// latest is by how much the schedule may lag behind before what was due is given
// up instead of sent late.
const latest = time.Second

// idle is how long nothing is sent while users send enough, and longest how long
// a rate is believed.
const (
	idle    = 200 * time.Millisecond
	longest = time.Second
)

// run sends until ctx ends, and waits for what is under way.
func (g *Generator) run(ctx context.Context) {
	var under sync.WaitGroup
	defer under.Wait()
	bodies, address, ok := g.prepare(ctx)
	if !ok {
		return
	}
	draw := newDraw(bodies, g.cfg.Users)
	slots := make(chan struct{}, g.cfg.Concurrent)
	rate := g.rates()
	prev := time.Now() // when the last one was due
	for {
		now := time.Now()
		r := rate(now)
		if r <= 0 { // users send enough
			if !sleep(ctx, idle) {
				return
			}
			prev = time.Now()
			continue
		}
		due := prev.Add(time.Duration(float64(time.Second) / r))
		if !sleep(ctx, min(due.Sub(now), longest)) {
			return
		}
		now = time.Now()
		if now.Before(due) {
			continue // and see what the rate is by now
		}
		prev = due
		if lag := now.Sub(due); lag > latest {
			g.tally.add(now, func(w *window) { w.missed += int64(lag.Seconds() * r) })
			prev = now
		}
		body, user := draw.next()
		select {
		case slots <- struct{}{}:
			under.Go(func() {
				defer func() { <-slots }()
				g.send(ctx, address, body, user)
			})
		default:
			g.tally.add(time.Now(), func(w *window) { w.missed++ })
		}
	}
}

// prepare reads what is sent and where to, and tries again until it can.
func (g *Generator) prepare(ctx context.Context) (bodies [][]byte, address string, ok bool) {
	for {
		bodies, err := g.cfg.Bodies(ctx)
		if err == nil && len(bodies) == 0 {
			err = errors.New("there are no bodies to send")
		}
		if err == nil {
			address, err = g.cfg.Address(ctx)
		}
		if err == nil {
			_, err = g.authorization(ctx)
		}
		if err == nil {
			g.tally.stuck("")
			return bodies, strings.TrimSuffix(address, "/") + g.cfg.Path, true
		}
		if ctx.Err() != nil {
			return nil, "", false
		}
		g.tally.stuck("nothing is sent: " + err.Error())
		if !sleep(ctx, 5*time.Second) {
			return nil, "", false
		}
	}
}

// authorizedFor is how long a secret is used before it is read again.
const authorizedFor = time.Minute

// authorization is the header of that name, "" without one.
func (g *Generator) authorization(ctx context.Context) (string, error) {
	if g.cfg.Authorization == nil {
		return "", nil
	}
	g.auth.Lock()
	defer g.auth.Unlock()
	if now := time.Now(); g.auth.value == "" || now.Sub(g.auth.at) >= authorizedFor {
		value, err := g.cfg.Authorization(ctx)
		if err != nil {
			return "", err
		}
		g.auth.value, g.auth.at = value, now
	}
	return g.auth.value, nil
}

// sleep reports whether ctx lasted.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// rates returns what is to be sent a second: the rate, less what users have sent
// of late where that counts.
func (g *Generator) rates() func(now time.Time) float64 {
	users := g.cfg.UserRequests
	if users == nil {
		return func(time.Time) float64 { return g.cfg.Rate }
	}
	const every = time.Second
	last, count, theirs := time.Now(), users(), 0.0
	return func(now time.Time) float64 {
		if past := now.Sub(last); past >= every {
			n := users()
			seen := float64(n-count) / past.Seconds()
			theirs += (seen - theirs) / 2 // a second is forgotten by half in the next
			last, count = now, n
		}
		return g.cfg.Rate - theirs
	}
}

// send sends one request and drops its answer.
func (g *Generator) send(ctx context.Context, at string, body []byte, user string) {
	limited, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, g.cfg.Method, at, bytes.NewReader(body))
	var authorization string
	if err == nil {
		authorization, err = g.authorization(limited)
	}
	if err == nil {
		g.fill(req, len(body) > 0, user)
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		g.tally.add(time.Now(), func(w *window) { w.sent++ })
		err = g.drop(req)
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	why := err.Error()
	var u *url.Error
	if errors.As(err, &u) {
		why = u.Err.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		why = fmt.Sprintf("none within %s", g.cfg.Timeout)
	}
	g.tally.add(time.Now(), func(w *window) { w.unanswered++; w.why = why })
}

func (g *Generator) drop(req *http.Request) error {
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// fill writes the head of a request.
func (g *Generator) fill(req *http.Request, body bool, user string) {
	c := &g.cfg
	for k, v := range c.Header {
		if strings.EqualFold(k, "Host") {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	if body && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "haldane-load")
	}
	if c.Mark != "" {
		req.Header.Set(c.MarkHeader, c.Mark)
	}
	switch {
	case user == "":
	case c.UserHeader != "":
		req.Header.Set(c.UserHeader, user)
	default:
		req.AddCookie(&http.Cookie{Name: c.UserCookie, Value: user})
	}
}

// draw says what comes next.
type draw struct {
	bodies [][]byte
	order  []int // of this pass
	at     int
	users  int
	chance *rand.Rand
}

func newDraw(bodies [][]byte, users int) *draw {
	d := &draw{bodies: bodies, users: users, chance: rand.New(rand.NewPCG(1, 2))}
	d.order = d.chance.Perm(len(bodies))
	return d
}

func (d *draw) next() (body []byte, user string) {
	if d.at == len(d.order) {
		d.at = 0
		d.chance.Shuffle(len(d.order), func(i, j int) { d.order[i], d.order[j] = d.order[j], d.order[i] })
	}
	body = d.bodies[d.order[d.at]]
	d.at++
	if d.users > 0 {
		user = "haldane-load-" + strconv.Itoa(d.chance.IntN(d.users))
	}
	return body, user
}

// Lines splits a text into bodies, one a line; empty lines are none.
func Lines(text []byte) [][]byte {
	var out [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, line)
		}
	}
	return out
}
