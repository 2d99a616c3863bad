package examples

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// patience is how long a rollout may take on a machine that has other things to
// do. It is no measure of anything: an example is over in seconds.
const patience = 4 * time.Minute

// rate is how many requests the clients of one example send a second, if there
// is time for so many.
const rate = "250"

func within(d time.Duration) *v1alpha1.Duration { return &v1alpha1.Duration{Duration: d} }

// load reads the rollout file of an example. What it changes is where things
// listen, which candidate it is, and how long everything takes.
func load(t *testing.T, example, candidate string) *v1alpha1.ModelRollout {
	t.Helper()
	m, err := v1alpha1.LoadFile(filepath.Join("../../examples", example, "rollout.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m.Spec.Routing.Gateway.Listen = "127.0.0.1:0"
	e := m.Spec.Endpoints
	e.Canary.Version = candidate
	for _, arm := range []*v1alpha1.Endpoint{&e.Stable, &e.Canary} {
		arm.Readiness.Interval = within(200 * time.Millisecond)
		if len(arm.Command) == 0 {
			arm.URL = "http://" + start(t, example, "--variant", arm.Version)
			continue
		}
		want := []string{"go", "run", ".", "--variant"}
		if len(arm.Command) < 5 || !slices.Equal(arm.Command[:4], want) {
			t.Fatalf("the command is %q: it should begin with %q", arm.Command, want)
		}
		arm.Command = slices.Concat([]string{filepath.Join(programs, example), "--variant", arm.Version}, arm.Command[5:])
	}
	hurry(&m.Spec.Strategy)
	a := &m.Spec.Analysis
	a.Interval, a.Warmup, a.MaxDuration = within(200*time.Millisecond), within(400*time.Millisecond), within(patience)
	for i := range a.Metrics {
		if o := a.Metrics[i].Outcome; o != nil {
			o.Maturity = within(2 * time.Second)
		}
	}
	return m
}

// hurry makes a strategy one for tests.
func hurry(s *v1alpha1.Strategy) {
	down, ready := within(100*time.Millisecond), within(patience/2)
	switch {
	case s.Canary != nil:
		s.Canary.ScaleDownDelay, s.Canary.ReadyWithin = down, ready
	case s.BlueGreen != nil:
		s.BlueGreen.ScaleDownDelay, s.BlueGreen.ReadyWithin = down, ready
		s.BlueGreen.Preview.Listen = "127.0.0.1:0"
		s.BlueGreen.Preview.For, s.BlueGreen.Bake.For = within(500*time.Millisecond), within(time.Second)
	case s.Shadow != nil:
		s.Shadow.ScaleDownDelay, s.Shadow.ReadyWithin = down, ready
		s.Shadow.For = within(time.Second)
	}
}

// start runs a program of an example until the test ends and returns the first
// line that it prints.
func start(t *testing.T, example string, args ...string) string {
	t.Helper()
	c := exec.Command(filepath.Join(programs, example), args...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt) // it may have ended
		rest, _ := io.ReadAll(lines)
		if err := c.Wait(); err != nil {
			t.Errorf("%s %s: %v\n%s", example, args, err, rest)
		}
	})
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%s %s: %v", example, args, err)
	}
	return strings.TrimSpace(line)
}

// clients are those of an example. They begin once they know where the gateway
// is and the models are ready: before, requests would only fail.
type clients struct {
	t       *testing.T
	example string

	mu      sync.Mutex
	gateway string
	ready   bool
	stop    func() // nil until they have begun
}

// learn changes what the clients know.
func (x *clients) learn(change func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change()
	if x.stop == nil && x.ready && x.gateway != "" {
		x.stop = ask(x.t, x.example, x.gateway)
	}
}

// end stops them, if they have begun.
func (x *clients) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stop != nil {
		x.stop()
	}
}

// ask sends the example's requests to a gateway until the function it returns
// is called.
func ask(t *testing.T, example, gateway string) (stop func()) {
	t.Helper()
	c := exec.Command(filepath.Join(programs, example), "--send", gateway, "--rate", rate)
	var said strings.Builder
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Error(err)
		return func() {}
	}
	return func() {
		_ = c.Process.Signal(os.Interrupt) // it may have seen that the gateway is gone
		if err := c.Wait(); err != nil {
			t.Errorf("the clients: %v\n%s", err, &said)
		}
		t.Logf("the clients: %s", said.String())
	}
}

// seen is what was told of a rollout while it went on.
type seen struct {
	mu       sync.Mutex
	status   engine.Status
	culprits []string
	classes  map[string]bool
	numbers  map[string]bool // that some block had
}

func (s *seen) update(u engine.Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case u.Status != nil:
		s.status = *u.Status
		s.verdict(u.Status.Verdict)
	case u.Block != nil:
		s.verdict(u.Block.Verdict)
		for _, arm := range u.Block.Arms {
			s.block(arm)
		}
	}
}

func (s *seen) verdict(v analysis.Verdict) {
	if v.Decision == analysis.Fail {
		s.culprits = v.Culprits
	}
}

func (s *seen) block(arm engine.BlockArm) {
	for class, n := range arm.Classes {
		s.classes[class] = s.classes[class] || n > 0
	}
	for name, x := range map[string]*float64{
		"confidence": arm.Confidence, "value": arm.Value, "ttft": arm.TTFT, "perToken": arm.PerToken,
	} {
		s.numbers[name] = s.numbers[name] || x != nil
	}
	s.numbers["labels"] = s.numbers["labels"] || arm.Labelled > 0
}

// true names are those that the map has as true.
func trueNames(m map[string]bool) []string {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(m))
}

// play carries out a rollout of an example under the traffic of its clients.
// ready, if not nil, is called when everything listens.
func play(t *testing.T, example string, m *v1alpha1.ModelRollout, ready func(context.Context, cli.Addresses)) (engine.Outcome, *seen) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s := &seen{classes: map[string]bool{}, numbers: map[string]bool{}}
	users := &clients{t: t, example: example}
	dir, err := filepath.Abs(filepath.Join("../../examples", example))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	var beside sync.WaitGroup
	out, err := app.Run(ctx, cli.RunOptions{
		Rollout: m, Dir: dir, State: filepath.Join(t.TempDir(), "state.db"), API: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Output: io.Discard,
		Ready: func(a cli.Addresses) {
			users.learn(func() { users.gateway = a.Gateway })
			if ready != nil {
				beside.Go(func() { ready(ctx, a) })
			}
		},
		Update: func(u engine.Update) {
			s.update(u)
			if u.Status != nil && u.Status.Phase == rollout.Progressing {
				users.learn(func() { users.ready = true })
			}
		},
	})
	users.end()
	cancel()
	beside.Wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if t.Failed() {
		t.Log(log.String())
	}
	return out, s
}
