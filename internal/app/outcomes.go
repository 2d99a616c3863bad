package app

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// outcomes adds up what one replica knows of mature predictions, for metrics
// that only grow. A replica that begins again leaves out what had matured before:
// the one before it has told.
type outcomes struct {
	ledger     *feedback.Ledger
	maturities []time.Duration
	events     map[string]feedback.Bounds // by name; shown from the beginning, so that none seems to come anew
	now        func() time.Time
	begun      time.Time

	mu       sync.Mutex
	revision string
	serving  fleet.Document
	since    map[time.Duration]time.Time // what was asked for last
	sums     map[time.Duration][]feedback.Parted
}

// maturities are those at which any metric of m, or the goal of its experiment,
// waits for labels or values.
func maturities(m *v1alpha1.ModelRollout, longest time.Duration) []time.Duration {
	var out []time.Duration
	if x := m.Spec.Strategy.Experiment; x != nil && x.Goal.Late() {
		out = append(out, goalMaturity(x.Goal))
	}
	for _, x := range m.Spec.Analysis.Metrics {
		switch {
		case x.Outcome != nil:
			out = append(out, x.Outcome.Maturity.Duration)
		case x.Mean != nil && x.Mean.Event != "":
			out = append(out, x.Mean.Maturity.Duration)
		case x.Mean != nil && x.Mean.Of == "feedback":
			out = append(out, longest)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func newOutcomes(l *feedback.Ledger, at []time.Duration, events map[string]feedback.Bounds, now func() time.Time) *outcomes {
	return &outcomes{ledger: l, maturities: at, events: events, now: now, begun: now()}
}

// of returns what is known of the revision of d. It begins anew with each, and
// with other versions: nothing is shown under another name than before.
func (o *outcomes) of(d fleet.Document) (exporter.Feedback, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since == nil || d.Revision != o.revision {
		o.revision, o.since = d.Revision, map[time.Duration]time.Time{}
		o.sums = nil
	}
	if o.sums == nil || !d.Serves(o.serving) {
		o.serving = d
		o.sums = map[time.Duration][]feedback.Parted{}
	}
	out := exporter.Feedback{Items: map[string]int64{}}
	for status, n := range o.ledger.Tally().Items {
		out.Items[string(status)] = n
	}
	for _, maturity := range o.maturities {
		if err := o.advance(maturity); err != nil {
			return out, err
		}
		sums := o.sums[maturity]
		for arm, parts := range sums[:min(len(sums), d.Split.Arms())] {
			at := exporter.Outcome{Arm: traffic.Arm(arm), Maturity: maturity}
			o.tell(&out, at, parts)
			for i, group := range parts.Groups {
				at.Group = strconv.Itoa(i)
				o.tell(&out, at, group)
			}
		}
	}
	return out, nil
}

// tell adds what is known of one arm, or of one group of its users: of a group only
// what there is.
func (o *outcomes) tell(out *exporter.Feedback, at exporter.Outcome, parts feedback.Parted) {
	for name := range o.events {
		if c := parts.Events[name]; at.Group == "" || c.N > 0 {
			out.Events = append(out.Events, exporter.Event{
				Arm: at.Arm, Maturity: at.Maturity, Group: at.Group, Name: name, Predictions: c.N, Values: telemetry.Moments(c.Value),
			})
		}
	}
	for _, as := range []string{feedback.Positive, feedback.Negative, feedback.Classless} {
		p, some := parts.Classes[as]
		if at.Group != "" && !some {
			continue
		}
		at.Predicted, at.Predictions, at.Right, at.Wrong = as, p.Predicted, p.Labelled-p.Wrong, p.Wrong
		at.Values = telemetry.Moments(p.Value)
		out.Outcomes = append(out.Outcomes, at)
	}
}

// advance adds what has matured since the last time. The caller holds mu.
func (o *outcomes) advance(maturity time.Duration) error {
	parts, next, err := o.ledger.Parts(feedback.Question{
		Revision: o.revision, After: o.since[maturity], From: o.begun.Add(-maturity), Now: o.now(), Maturity: maturity,
	})
	if err != nil {
		return err
	}
	o.since[maturity] = next
	sums := o.sums[maturity]
	if sums == nil {
		sums = make([]feedback.Parted, len(parts))
		for arm := range sums {
			sums[arm] = feedback.NewParted()
		}
		o.sums[maturity] = sums
	}
	for arm := range parts {
		sums[arm].Add(parts[arm])
	}
	return nil
}
