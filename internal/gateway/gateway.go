package gateway

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// Gateway splits traffic between the arms of one rollout. Make it with New.
type Gateway struct {
	cfg    Config
	policy *policy
	mirror *mirror
	up     *upstreams

	active            atomic.Int64 // requests under way
	draining          atomic.Bool
	complained, quiet atomic.Int64 // second of the last logged failure; failures not logged since
	pool              sync.Pool    // of *exchange
	tunnels           tunnels

	life context.Context // ends with Close
	end  context.CancelFunc
}

// New returns a gateway with no table yet: until SetTable it answers 503. The
// error says what is wrong with c, in its own words.
func New(c Config) (*Gateway, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	p := &policy{cfg: c}
	if c.CountryDB != "" {
		if p.geo, err = openCountries(c.CountryDB); err != nil {
			return nil, err
		}
	}
	g := &Gateway{cfg: c, policy: p, up: newUpstreams(c.Limits)}
	g.life, g.end = context.WithCancel(context.Background())
	g.mirror = newMirror(g)
	g.pool.New = func() any { return newExchange(g) }
	return g, nil
}

// Policy returns the seam between deciding and moving bytes, for transports of
// other packages and for tests.
func (g *Gateway) Policy() Policy { return g.policy }

// Close ends mirroring, closes unused upstream connections and the country
// file. Call it after Serve has returned.
func (g *Gateway) Close() error {
	g.end()
	g.mirror.wait()
	g.up.closeIdle()
	if g.policy.geo != nil {
		return g.policy.geo.close()
	}
	return nil
}

// Handler returns the gateway as a handler. A server of one's own around it
// lacks what Serve adds: the refusal of ambiguous messages, limits on headers,
// HTTP/2 in clear text, and draining.
func (g *Gateway) Handler() http.Handler { return g.handler(false) }

func (g *Gateway) handler(preview bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serveHTTP(w, r, preview) })
}

// opsPrefix begins the paths that the gateway answers itself.
const opsPrefix = "/-/haldane/"

func (g *Gateway) serveHTTP(w http.ResponseWriter, r *http.Request, preview bool) {
	if strings.HasPrefix(r.URL.Path, opsPrefix) {
		g.serveOps(w, r)
		return
	}
	if g.cfg.Own != nil {
		g.cfg.Own.ServeHTTP(w, r)
		return
	}
	if h := g.returns(r.URL.Path); h != nil {
		g.take(h, w, r)
		return
	}
	if r.Method == http.MethodConnect {
		failure{http.StatusMethodNotAllowed, "this gateway opens no tunnels by CONNECT", false}.send(w, r)
		return
	}
	defer g.active.Add(-1)
	if g.active.Add(1) > int64(g.cfg.Limits.Requests) {
		failure{http.StatusServiceUnavailable, "the gateway is at its limit of concurrent requests", true}.send(w, r)
		return
	}
	x := g.pool.Get().(*exchange)
	x.preview = preview
	abort := x.serve(w, r)
	if x.span != nil {
		x.span.End(x.res.traced())
	}
	if x.release() {
		g.pool.Put(x)
	}
	if abort {
		// Ends the connection, or the HTTP/2 stream: the client must not take a
		// part of an answer for the whole of it.
		panic(http.ErrAbortHandler)
	}
}

// serveOps answers whether the gateway lives and whether it is ready to route.
func (g *Gateway) serveOps(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch strings.TrimPrefix(r.URL.Path, opsPrefix) {
	case "healthz":
		w.WriteHeader(http.StatusOK)
	case "readyz":
		switch {
		case g.draining.Load():
			failure{http.StatusServiceUnavailable, "the gateway is shutting down", true}.send(w, r)
		case g.policy.route.Load() == nil:
			failNoTable.send(w, r)
		default:
			w.WriteHeader(http.StatusOK)
		}
	default:
		failure{http.StatusNotFound, "the gateway answers " + opsPrefix + "healthz and " + opsPrefix + "readyz", false}.send(w, r)
	}
}

var failNoPreview = failure{http.StatusServiceUnavailable, "there is no candidate to preview now", true}

var failNoTable = failure{http.StatusServiceUnavailable, "the gateway has no routing table yet", true}

// returns is who takes what comes back for predictions at a path, nil if it is
// the models' path.
func (g *Gateway) returns(path string) http.Handler {
	switch path {
	case g.cfg.FeedbackPath:
		return g.cfg.Feedback
	case g.cfg.EventsPath:
		return g.cfg.Events
	}
	return nil
}

func (g *Gateway) take(h http.Handler, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		failure{http.StatusMethodNotAllowed, "feedback and events are sent by POST", false}.send(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

// complain logs a failed request, at most one a second, with the number of
// those it kept quiet about: a model that is down must not fill the disk.
func (g *Gateway) complain(arm traffic.Arm, version string, status int, err error) {
	now := time.Now().Unix()
	last := g.complained.Load()
	if now == last || !g.complained.CompareAndSwap(last, now) {
		g.quiet.Add(1)
		return
	}
	g.cfg.Logger.Warn("request failed", "arm", arm.String(), "version", version,
		"status", status, "error", err, "unlogged", g.quiet.Swap(0))
}
