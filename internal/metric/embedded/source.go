package embedded

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// kept is how many of the last cursors can be collected after.
const kept = 16

// Source counts what a Recorder and a Ledger of the same rollout saw.
type Source struct {
	recorder *telemetry.Recorder
	ledger   *feedback.Ledger // nil: no labels
	names    []string         // of the variants of an experiment
	epoch    string

	mu       sync.Mutex
	seq      uint64
	points   []point // ascending
	revision string  // last asked about
	// Nothing before these counts, in the comparison and in the traffic check.
	floor, assigned point
}

// point is the recorder's state at one cursor.
type point struct {
	seq      uint64
	snapshot *telemetry.Snapshot // nil: the beginning
	arms     map[string]Arm      // of the block that ended here
}

// New returns the source of one rollout. ledger may be nil: metrics of labels
// are then not measured. variants are the names of an experiment's further arms,
// which recorder and ledger count as those from traffic.NumArms on.
func New(recorder *telemetry.Recorder, ledger *feedback.Ledger, variants ...string) *Source {
	return &Source{recorder: recorder, ledger: ledger, names: variants, epoch: rand.Text()}
}

var _ metric.Source = (*Source)(nil)

// Collect implements metric.Source. It fails, with metric.ErrUnavailable, only
// if the ledger cannot be read or ctx has ended.
func (s *Source) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	if err := ctx.Err(); err != nil {
		return analysis.Sample{}, fmt.Errorf("collect from the gateway: %w: %w", metric.ErrUnavailable, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := parse(w.After)
	s.turn(q.Revision, w.After, last)
	base := s.base(last)
	now := s.snapshot()
	delta := now.snapshot.Sub(base.snapshot)

	next := cursor{Epoch: s.epoch, Seq: now.seq, Revision: q.Revision, Labels: last.Labels}
	bins := order(last.Classes, now.snapshot)
	next.Classes = bins
	labels, next, err := s.labels(q, w, last, next)
	if err != nil {
		return analysis.Sample{}, err
	}
	assigned := now.snapshot.Sub(later(base, s.assigned).snapshot)
	c := comparison{delta: delta, bins: bins, labels: labels, treatment: traffic.Canary, slots: q.Slots}
	if last.Revision != q.Revision {
		c.before = s.before()
	}
	sample := analysis.Sample{
		Start: w.Start, End: w.End, Cursor: next.String(),
		Assigned: assignments(assigned, traffic.Canary), Metrics: c.measures(q.Metrics),
	}
	for i := range s.names {
		c.treatment = traffic.Arm(traffic.NumArms + i)
		sample.Variants = append(sample.Variants, analysis.Variant{
			Assigned: assignments(assigned, c.treatment), Metrics: c.measures(q.Metrics),
		})
	}
	now.arms = s.arms(delta, labels.shown)
	s.keep(now, last)
	return sample, nil
}

// before returns, by group of users, what stable did before the revision asked
// about, while it had all random traffic; nil if this process was not there.
func (s *Source) before() []analysis.Group {
	if s.floor.snapshot == nil {
		return nil
	}
	a := &s.floor.snapshot.Arms[traffic.Stable]
	return users(a.AloneRequests, a.AloneErrors)
}

// turn takes note of which revision is asked about, and after which cursor.
func (s *Source) turn(revision, after string, last cursor) {
	first, before := s.revision == "", s.revision
	if first {
		before = last.Revision
	}
	s.revision = revision
	if s.ledger != nil && (first || before != revision) {
		s.ledger.SetRevision(revision)
	}
	switch {
	case before != "" && before != revision:
		s.recorder.ForgetKeys()
		s.floor = s.snapshot()
		s.assigned = s.floor
	case first && after != "" && last.Epoch != s.epoch && s.recorder.IgnoreKeys():
		// An earlier process counted keys for the check that goes on.
		s.assigned = s.snapshot()
	}
}

// base returns the point that a cursor stands for.
func (s *Source) base(last cursor) point {
	var p point
	if last.Epoch == s.epoch {
		for _, p = range s.points {
			// If the point itself was let go, the one after it: requests may then
			// be missing, and none is counted twice.
			if p.seq >= last.Seq {
				break
			}
		}
	}
	return later(p, s.floor)
}

func later(a, b point) point {
	if b.seq > a.seq {
		return b
	}
	return a
}

func (s *Source) snapshot() point {
	s.seq++
	return point{seq: s.seq, snapshot: s.recorder.Snapshot()}
}

// keep remembers p. Cursors before last are not asked about again, now that last
// is known to be saved.
func (s *Source) keep(p point, last cursor) {
	s.points = append(s.points, p)
	if last.Epoch == s.epoch {
		for len(s.points) > 0 && s.points[0].seq < last.Seq {
			s.points = s.points[1:]
		}
	}
	if len(s.points) > kept {
		// The first is the one being asked about; what goes are older attempts at
		// the block after it.
		s.points = append(s.points[:1:1], s.points[len(s.points)-kept+1:]...)
	}
}

// labels is what the ledger says of a block, by maturity.
type labels struct {
	answers map[time.Duration]feedback.Answer
	shown   *feedback.Answer // what people see; nil without a ledger
	classes []string         // bins of the predicted classes
}

// labels asks the ledger once for every maturity among the metrics, and moves
// next past what it got.
func (s *Source) labels(q metric.Query, w metric.Window, last, next cursor) (labels, cursor, error) {
	out := labels{answers: map[time.Duration]feedback.Answer{}}
	if s.ledger == nil {
		return out, next, nil
	}
	ask := maturities(q.Metrics)
	if len(ask) == 0 {
		ask = []time.Duration{0} // for people alone
	}
	for _, maturity := range ask {
		a, err := s.ledger.Matured(feedback.Question{
			Revision: q.Revision, After: last.after(maturity), From: w.Start, Now: w.End,
			Maturity: maturity, Span: span(w),
		})
		if err != nil {
			return out, next, fmt.Errorf("collect labels: %w: %w", metric.ErrUnavailable, err)
		}
		out.answers[maturity] = a
		if out.shown == nil {
			out.shown = &a
		}
		next = next.with(maturity, a.Next)
	}
	next.LabelClasses = labelOrder(last.LabelClasses, out.answers)
	out.classes = next.LabelClasses
	return out, next, nil
}

// span bounds the cohorts of one block. They should lie as close together as its
// requests do, since shares of traffic change over time; twice the block lets a
// backlog shrink.
func span(w metric.Window) time.Duration {
	const longest = time.Hour
	d := w.End.Sub(w.Start)
	if w.Start.IsZero() || d > longest {
		d = longest
	}
	return max(2*d, 1)
}

// wantsLabels reports whether m is measured by feedback.
func wantsLabels(m metric.Metric) bool {
	return m.Kind == analysis.Outcome || m.Kind == analysis.Mean && (m.Value || m.Event != "")
}

func maturities(metrics []metric.Metric) []time.Duration {
	var out []time.Duration
	seen := map[time.Duration]bool{}
	for _, m := range metrics {
		if wantsLabels(m) && !seen[m.Maturity] {
			seen[m.Maturity] = true
			out = append(out, m.Maturity)
		}
	}
	return out
}
