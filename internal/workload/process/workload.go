package process

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Endpoint is how one role is reached. At least one of URL and Command is set.
type Endpoint struct {
	Name      string // of the arm; "" is its role's
	Version   string
	Hash      string // reported as Health.Revision while it is wanted
	URL       string // scheme and host; empty with a Command: a free loopback port
	Command   []string
	Env       map[string]string // besides Haldane's own environment
	Dir       string
	Readiness Probe
	Liveness  Probe         // of commands, from their first readiness on; the zero value probes nothing: only the end of the process counts
	StopGrace time.Duration // between SIGTERM and SIGKILL; 0 is ten seconds
}

// Probe asks whether a server is well. The zero Probe connects by TCP.
type Probe struct {
	Path         string        // an HTTP GET of it must answer 200 to 399
	GRPC         bool          // grpc.health.v1 must answer SERVING
	Interval     time.Duration // 0 is one second
	Timeout      time.Duration // 0 is one second
	InitialDelay time.Duration
	Failures     int // in a row until it counts; 0 is three
	Successes    int // in a row until it counts; 0 is one
}

// Options of a Workload. The zero value logs to slog.Default and drops the
// output of commands.
type Options struct {
	Logger *slog.Logger
	Output io.Writer // gets the commands' output, each line after the name of its arm

	backoff pace // for tests
}

// pace is how commands are started again.
type pace struct {
	first, most time.Duration // back-off
	healthy     time.Duration // time of readiness after which the back-off starts over
	hopeless    int           // starts in a row that never became ready until the role counts as failed
}

// Workload runs the endpoints of one rollout.
type Workload struct {
	units []*unit // by role

	mu        sync.Mutex
	listeners []chan struct{}
}

var _ workload.Workload = (*Workload)(nil)

// New checks the endpoints, of which those of stable and canary are required, and
// further ones, of the variants of an experiment, follow them without a gap. Nothing
// is started or probed before Apply.
func New(endpoints map[rollout.Role]Endpoint, o Options) (*Workload, error) {
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Output == nil {
		o.Output = io.Discard
	}
	if o.backoff == (pace{}) {
		o.backoff = pace{first: 500 * time.Millisecond, most: 30 * time.Second, healthy: time.Minute, hopeless: 5}
	}
	w := &Workload{}
	output := &lines{w: o.Output}
	for role := range rollout.Role(max(len(endpoints), traffic.NumArms)) {
		e, ok := endpoints[role]
		if !ok {
			return nil, fmt.Errorf("endpoints.%s is missing", role)
		}
		e.Name = cmp.Or(e.Name, role.String())
		u := &unit{role: role, endpoint: e, pace: o.backoff, output: output, changed: w.notify,
			log: o.Logger.With("arm", e.Name, "version", e.Version)}
		if err := u.prepare(); err != nil {
			return nil, fmt.Errorf("endpoints.%s.%w", e.Name, err)
		}
		w.units = append(w.units, u)
	}
	return w, nil
}

// prepare checks the endpoint.
func (u *unit) prepare() error {
	e := u.endpoint
	if e.URL == "" && len(e.Command) == 0 {
		return fmt.Errorf("url: missing: give a url or a command")
	}
	if len(e.Command) > 0 && e.Command[0] == "" {
		return fmt.Errorf("command: its first word, the program, is empty")
	}
	if e.URL == "" {
		return nil
	}
	at, err := url.Parse(e.URL)
	switch {
	case err != nil:
		return fmt.Errorf("url: %w", err)
	case at.Scheme != "http" && at.Scheme != "https" || at.Host == "":
		return fmt.Errorf("url: %q: want http://host:port or https://host:port", e.URL)
	}
	u.url = e.URL
	return nil
}

// Observe implements workload.Workload.
func (w *Workload) Observe(ctx context.Context, _ workload.Target) (map[rollout.Role]rollout.Health, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := map[rollout.Role]rollout.Health{}
	for role, u := range w.units {
		out[rollout.Role(role)] = u.observe()
	}
	return out, nil
}

// Apply implements workload.Workload. It returns at once.
func (w *Workload) Apply(ctx context.Context, _ workload.Target, s rollout.Scale) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for role, u := range w.units {
		wanted := s.Canary // so are the other treatments
		if rollout.Role(role) == traffic.Stable {
			wanted = s.Stable
		}
		if rollout.Role(role) >= traffic.NumArms && s.Promoted {
			wanted = false
		}
		if wanted {
			u.start()
		} else {
			u.stop()
		}
	}
	return nil
}

// Release implements workload.Workload: the treatments end first, then stable.
// It waits for all.
func (w *Workload) Release(ctx context.Context, _ workload.Target) error {
	for _, u := range slices.Backward(w.units) {
		select {
		case <-u.stop():
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of %s: %w", u.endpoint.Name, context.Cause(ctx))
		}
	}
	return nil
}

// URL returns where a role is reached now: "" for a command that has not been
// given a port yet.
func (w *Workload) URL(role rollout.Role) string {
	u := w.units[role]
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.url
}

// Changed returns a channel of its own for each call, which receives when a
// URL or the health of a role has changed. Changes that come faster than they
// are received are one.
func (w *Workload) Changed() <-chan struct{} {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners = append(w.listeners, ch)
	return ch
}

func (w *Workload) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.listeners {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
