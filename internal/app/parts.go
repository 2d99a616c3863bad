package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/metric/embedded"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/workload/process"
)

// endpoint turns an arm of the file into a process or address to watch.
func endpoint(e v1alpha1.Endpoint, hash, dir string) process.Endpoint {
	out := process.Endpoint{
		Version: e.Version, Hash: hash, URL: e.URL, Command: e.Command, Env: e.Env, Dir: dir,
		Readiness: probe(e.Readiness), Liveness: probe(e.Liveness), StopGrace: e.StopGrace.Duration,
	}
	if e.Dir != "" {
		out.Dir = within(dir, e.Dir)
	}
	return out
}

// endpoints are all arms of a file.
func endpoints(m *v1alpha1.ModelRollout, p rollout.Plan, dir string) map[rollout.Role]process.Endpoint {
	e := m.Spec.Endpoints
	out := map[rollout.Role]process.Endpoint{
		0: endpoint(e.Stable, p.Stable.Hash, dir),
		1: endpoint(e.Canary, p.Canary.Hash, dir),
	}
	for i, a := range variants(p) {
		one := endpoint(e.Variants[a.Name], p.Canary.Hash, dir)
		one.Name = a.Name
		out[rollout.Role(traffic.NumArms+i)] = one
	}
	return out
}

func probe(p *v1alpha1.Probe) process.Probe {
	if p == nil {
		return process.Probe{}
	}
	return process.Probe{
		Path: p.Path, GRPC: p.GRPC, Interval: p.Interval.Duration, Timeout: p.Timeout.Duration,
		InitialDelay: p.InitialDelay.Duration, Failures: p.Failures, Successes: p.Successes,
	}
}

// valueBounds returns the bounds of the given number, which are the same in
// every metric of it.
func valueBounds(m *v1alpha1.ModelRollout, of string) (telemetry.Bounds, bool) {
	for _, x := range m.Spec.Analysis.Metrics {
		var b []float64
		switch {
		case x.Mean != nil && x.Mean.Of == of:
			b = x.Mean.Bounds
		case x.Drift != nil && x.Drift.Of == of:
			b = x.Drift.Bounds
		}
		if len(b) == 2 {
			return telemetry.Bounds{Lower: b[0], Upper: b[1]}, true
		}
	}
	if x := m.Spec.Strategy.Experiment; x != nil && x.Goal.Mean != nil && x.Goal.Mean.Of == of && len(x.Goal.Mean.Bounds) == 2 {
		return telemetry.Bounds{Lower: x.Goal.Mean.Bounds[0], Upper: x.Goal.Mean.Bounds[1]}, true
	}
	return telemetry.Bounds{}, false
}

func newRecorder(m *v1alpha1.ModelRollout) *telemetry.Recorder {
	return telemetry.New(recorderOptions(m))
}

func recorderOptions(m *v1alpha1.ModelRollout) telemetry.Options {
	o := telemetry.Options{Sticky: sticky(m), Arms: numArms(m)}
	o.Value, _ = valueBounds(m, "value")
	o.TTFT, _ = valueBounds(m, "timeToFirstToken")
	o.PerToken, _ = valueBounds(m, "timePerToken")
	return o
}

// ledgerOptions make the ledger wait as long as the slowest metric.
func ledgerOptions(m *v1alpha1.ModelRollout, id rollout.ID, revision string, log *slog.Logger) feedback.Options {
	now, _ := steady()
	out := feedback.Options{
		Rollout: string(id), Revision: revision, Logger: log,
		CohortLength: m.Spec.Analysis.Interval.Duration, Now: now, Arms: numArms(m),
	}
	if x := m.Spec.Strategy.Experiment; x != nil {
		out.Maturity = goalMaturity(x.Goal)
	}
	for _, x := range m.Spec.Analysis.Metrics {
		switch {
		case x.Outcome != nil:
			out.Maturity = max(out.Maturity, x.Outcome.Maturity.Duration)
		case x.Mean != nil && x.Mean.Event != "":
			out.Maturity = max(out.Maturity, x.Mean.Maturity.Duration)
		}
	}
	out.Events = events(m)
	if sticky(m) {
		out.UserKey = func(user string) uint64 { return traffic.KeyHash(m.Name, user) } // salted as splitTemplate does
	}
	if b, ok := valueBounds(m, "feedback"); ok {
		out.Lower, out.Upper = b.Lower, b.Upper
	}
	return out
}

// events are those that metrics, or the goal of an experiment, ask for, nil if none does.
func events(m *v1alpha1.ModelRollout) map[string]feedback.Bounds {
	var out map[string]feedback.Bounds
	for _, x := range m.Spec.Analysis.Metrics {
		if x.Mean == nil || x.Mean.Event == "" {
			continue
		}
		if out == nil {
			out = map[string]feedback.Bounds{}
		}
		b := out[x.Mean.Event]
		if x.Mean.Of == "event" {
			b = feedback.Bounds{Lower: x.Mean.Bounds[0], Upper: x.Mean.Bounds[1]}
		}
		out[x.Mean.Event] = b
	}
	if x := m.Spec.Strategy.Experiment; x != nil && x.Goal.Mean != nil && x.Goal.Mean.Event != "" {
		g := x.Goal.Mean
		if out == nil {
			out = map[string]feedback.Bounds{}
		}
		b := out[g.Event]
		if g.Of == "event" {
			b = feedback.Bounds{Lower: g.Bounds[0], Upper: g.Bounds[1]}
		}
		out[g.Event] = b
	}
	return out
}

// steady returns a clock, and the same as a function that dates a moment of
// time.Now: the time by the machine's clock as it was set when the process began,
// as the engine tells it. Predictions and labels are dated by it; a clock that is
// set while they mature must not make them older or younger.
func steady() (now func() time.Time, date func(time.Time) time.Time) {
	begun := time.Now()
	date = func(t time.Time) time.Time { return begun.Add(t.Sub(begun)) }
	return func() time.Time { return date(time.Now()) }, date
}

// counting is what a gateway tells what it saw.
type counting struct {
	recorder gateway.Recorder
	codec    *predictionid.Codec
	ledger   *feedback.Ledger // notes predictions
	feedback http.Handler     // takes what comes back for them
	events   http.Handler     // takes what happens after them; nil: no metric asks
	tracer   gateway.Tracer   // follows requests; nil: nobody does
	token    func() string    // what callers of a flag must present; nil: nothing
	redial   time.Duration    // for how long a refused connection is tried again
}

// newGateway builds the data plane. Paths in the file are relative to dir.
func newGateway(m *v1alpha1.ModelRollout, to counting, dir string, log *slog.Logger) (*gateway.Gateway, error) {
	if m.Spec.Routing.Flag != nil {
		return newFlag(m, to, log)
	}
	g, in := m.Spec.Routing.Gateway, m.Spec.Inference
	reader, err := inference.New(inference.Options{
		Threshold: in.Threshold, Classes: in.Classes, Expr: in.Expr, MaxBody: g.Limits.ReadBodyBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("spec.inference: %w", err)
	}
	_, date := steady()
	c := gateway.Config{
		Recorder: to.recorder, Codec: to.codec, Reader: reader, Feedback: to.feedback, FeedbackPath: g.FeedbackPath, Events: to.events, EventsPath: g.EventsPath, Logger: log, Date: date,
		Tracer: to.tracer,
		OnPrediction: func(e gateway.PredictionEvent) {
			to.ledger.Answered(prediction(e))
		},
		Limits: gateway.Limits{
			HeaderBytes: g.Limits.HeaderBytes, HeldBody: g.Limits.MirrorBodyBytes, ReadBody: g.Limits.ReadBodyBytes,
			Requests: g.Limits.Concurrent, Dial: g.Limits.ConnectTimeout.Duration, Redial: to.redial,
			ResponseHeader: g.Limits.ResponseTimeout.Duration, Stall: g.Limits.IdleTimeout.Duration,
		},
	}
	for i, text := range g.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("spec.routing.gateway.trustedProxies[%d]: %w", i, err)
		}
		c.TrustedProxies = append(c.TrustedProxies, prefix)
	}
	if country := m.Spec.Routing.Country; country != nil {
		c.CountryHeader = country.Header
		if country.Database != "" {
			c.CountryDB = within(dir, country.Database)
		}
	}
	return gateway.New(c)
}

// prediction is e as the ledger notes it. A label is counted under the class
// that its prediction ID names, so a prediction whose ID names none is noted
// under none: its label could not be judged, and the class would otherwise look
// as if labels of it were missing.
func prediction(e gateway.PredictionEvent) feedback.Prediction {
	p := feedback.Prediction{
		Arm: e.Arm, Time: e.Time, Count: e.Count,
		PredictionID: e.PredictionID, RequestID: e.RequestID, Forced: e.Forced, Mirrored: e.Mirrored, User: e.User,
	}
	if e.InID {
		p.Class = e.Class
	}
	if e.Keyed {
		p.Group = uint8(telemetry.GroupOf(e.Bucket) + 1)
	}
	return p
}

// hasOutcome reports whether any metric, or the goal of an experiment, waits for
// labels.
func hasOutcome(p rollout.Plan) bool {
	for _, m := range p.Analysis.Metrics {
		if m.Kind == analysis.Outcome {
			return true
		}
	}
	return p.Experiment != nil && p.Experiment.Goal.Kind == analysis.Outcome
}

// summary draws what the embedded source counted.
type summary struct {
	source *embedded.Source
	ledger *feedback.Ledger // nil: no metric waits for labels
	name   func(traffic.Arm) string
}

// Block implements engine.Summary.
func (s summary) Block(cursor string) map[string]engine.BlockArm {
	in := s.source.Block(cursor)
	out := make(map[string]engine.BlockArm, len(in))
	for arm, x := range in {
		out[arm] = engine.BlockArm(x)
	}
	return out
}

// Totals implements engine.Summary.
func (s summary) Totals() map[string]engine.Totals {
	in := s.source.Totals()
	out := make(map[string]engine.Totals, len(in))
	for arm, x := range in {
		out[arm] = engine.Totals(x)
	}
	return out
}

// Coverage implements engine.Summary. A ledger that cannot be read fails the
// source as well, which says so.
func (s summary) Coverage() map[string]engine.Coverage {
	if s.ledger == nil {
		return nil
	}
	arms, err := s.ledger.Coverage()
	if err != nil {
		return nil
	}
	one := func(x feedback.Share) engine.Coverage {
		return engine.Coverage{Predicted: x.Predicted, Labelled: x.Labelled, Wrong: x.Wrong}
	}
	out := make(map[string]engine.Coverage, len(arms))
	for arm, x := range arms {
		c := one(x.Share)
		if len(x.Classes) > 0 {
			c.Classes = make(map[string]engine.Coverage, len(x.Classes))
		}
		for class, y := range x.Classes {
			c.Classes[class] = one(y)
		}
		out[s.name(traffic.Arm(arm))] = c
	}
	return out
}

// rollouts shows the one rollout of this process to the API.
type rollouts struct {
	name    string
	engine  *engine.Engine
	journal store.Journal
}

var _ web.Rollouts = rollouts{}

func (r rollouts) check(name string) error {
	if name != r.name {
		return fmt.Errorf("%w: this process runs %s", web.ErrNotFound, r.name)
	}
	return nil
}

// List implements web.Rollouts.
func (r rollouts) List(context.Context) ([]engine.Status, error) {
	return []engine.Status{r.engine.Status()}, nil
}

// Status implements web.Rollouts.
func (r rollouts) Status(_ context.Context, name string) (engine.Status, error) {
	return r.engine.Status(), r.check(name)
}

// Blocks implements web.Rollouts.
func (r rollouts) Blocks(ctx context.Context, name string, limit int) ([]engine.Block, error) {
	if err := r.check(name); err != nil {
		return nil, err
	}
	return read[engine.Block](ctx, r.journal, rollout.ID(name), store.BlockRecord, limit)
}

// Events implements web.Rollouts.
func (r rollouts) Events(ctx context.Context, name string, limit int) ([]rollout.Event, error) {
	if err := r.check(name); err != nil {
		return nil, err
	}
	return read[rollout.Event](ctx, r.journal, rollout.ID(name), store.EventRecord, limit)
}

// Submit implements web.Rollouts.
func (r rollouts) Submit(ctx context.Context, name string, c rollout.Command) (rollout.Reply, error) {
	if err := r.check(name); err != nil {
		return rollout.Reply{}, err
	}
	return r.engine.Submit(ctx, c)
}

// Subscribe implements web.Rollouts.
func (r rollouts) Subscribe(ctx context.Context, name string) (<-chan web.Update, error) {
	if err := r.check(name); err != nil {
		return nil, err
	}
	updates, cancel := r.engine.Subscribe()
	context.AfterFunc(ctx, cancel)
	return updates, nil
}

func read[T any](ctx context.Context, j store.Journal, id rollout.ID, kind store.RecordKind, limit int) ([]T, error) {
	records, err := j.Read(ctx, id, kind, limit)
	if err != nil {
		return nil, fmt.Errorf("read the journal of %s: %w", id, err)
	}
	out := make([]T, 0, len(records))
	for _, rec := range records {
		var v T
		if err := json.Unmarshal(rec.Data, &v); err != nil {
			return nil, fmt.Errorf("read record %s of %s: %w", rec.ID, id, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// closeWithin bounds what is done when everything stops.
const closeWithin = 15 * time.Second

// upstream returns where an arm is served now.
func upstream(w models, p rollout.Plan) func(traffic.Arm) gateway.Upstream {
	return func(a traffic.Arm) gateway.Upstream {
		version := p.Stable.Version
		switch i := int(a) - traffic.NumArms; {
		case i >= 0:
			version = variants(p)[i].Version
		case a == traffic.Canary:
			version = p.Canary.Version
		}
		return gateway.Upstream{URL: w.URL(a), Version: version}
	}
}
