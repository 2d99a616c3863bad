package cli

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/judge"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// Program is what the commands set in motion. The package that wires everything
// together provides it, so that the commands know no adapter.
type Program struct {
	// Run carries out one rollout in this process until it has ended, ctx
	// ends, or, with Hold, only ctx ends. An error made by Usage is the fault
	// of the file or the flags.
	Run func(ctx context.Context, o RunOptions) (engine.Outcome, error)
	// Demo plays one scenario and reports whether it ended as it should.
	Demo func(ctx context.Context, o DemoOptions) (expected bool, err error)
	// Model serves one of the demo's models until ctx ends.
	Model func(ctx context.Context, variant, listen string) error
	// Controller drives the rollouts of a cluster until ctx ends.
	Controller func(ctx context.Context, o ControllerOptions) error
	// Cluster reaches the rollouts of a cluster.
	Cluster func(o ClusterOptions) (Rollouts, error)
	// Plugin says that the program was called as kubectl-haldane: the commands
	// that ask and decide are about a cluster unless told otherwise.
	Plugin bool
	// Gateway serves as one replica of a rollout's gateway until ctx ends.
	Gateway func(ctx context.Context, o GatewayOptions) error
	// Scenarios are the names Demo knows.
	Scenarios []string
	// Check sends the checks of a rollout once. An error made by Usage is the
	// fault of the file.
	Check func(ctx context.Context, o CheckOptions) ([]CheckResult, error)
	// Plan turns a loaded file into what a rollout runs by.
	Plan func(m *v1alpha1.ModelRollout) (rollout.Plan, error)
	// LatencyEdges are what the gateway counts latencies by, in seconds.
	LatencyEdges []float64
	// Recorded gives take the blocks that a Prometheus server has of a range of
	// time, in order. An error made by Usage is the fault of the flags.
	Recorded func(ctx context.Context, o RecordedOptions, take func(judge.Block) error) error
}

// RecordedOptions say where a Prometheus server has the counts of a rollout.
type RecordedOptions struct {
	Address  string
	Token    string // sent as bearer, "" for none
	Plan     rollout.Plan
	Exporter string                       // whose names the series have; "custom" for Series alone
	Stable   string                       // label matchers of each arm, "" for the exporter's own
	Canary   string                       //
	Series   map[string]map[string]string // selectors by metric and part, beside the exporter's
	Weight   float64                      // the canary's share of traffic, 0 if the series tell
	From, To time.Time
	Block    time.Duration
}

// RunOptions is one `haldane run`.
type RunOptions struct {
	Rollout *v1alpha1.ModelRollout // loaded, defaulted and valid
	File    string                 // where it was read from, watched for edits; "" or "-": no file
	Dir     string                 // what relative paths in it are relative to
	State   string                 // path of the state file; "" is .haldane/NAME.db in Dir
	API     string                 // address of the API and dashboard; "" is 127.0.0.1:7600
	Token   string                 // required when API is beyond loopback
	Traces  string                 // OTLP endpoint that gets spans of requests; "" leaves it to OpenTelemetry's environment
	Hold    bool                   // keep serving after the end
	Retry   bool                   // run a rolled-back revision again
	Logger  *slog.Logger
	Output  io.Writer // what the models print
	// Found is called once, before anything is served, if an earlier run left a
	// state; over says that it had ended and that nothing more will be done.
	Found func(s rollout.State, over bool)
	Ready func(Addresses) // called once, when everything listens
	// Report, if set, is called once at the end, whatever the end is, with what
	// the journal has of the rollout.
	Report func(report.Source)
	Update func(engine.Update) // called in order, for every status, block and event; must be quick
}

// Addresses is where a running rollout answers.
type Addresses struct {
	Gateway   string `json:"gateway,omitempty"` // http://127.0.0.1:8080; "" if there is a flag instead
	Flag      string `json:"flag,omitempty"`    // http://127.0.0.1:8016
	Dashboard string `json:"dashboard"`         // http://127.0.0.1:7600
	Preview   string `json:"preview,omitempty"` // of the candidate alone; "" without one
}

// DemoOptions is one `haldane demo`.
type DemoOptions struct {
	Scenario string
	API      string // address of the dashboard; "" is 127.0.0.1:7600, or a free port if that is taken
	Hold     bool   // keep running after the report, to look around
	Logger   *slog.Logger
	Output   io.Writer // what the models print
	Out      io.Writer // the report
	Terminal bool      // Out is a terminal: progress may redraw a line
	// Update draws progress as `haldane run` does.
	Update func(engine.Update)
}
