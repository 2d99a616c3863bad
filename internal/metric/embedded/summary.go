package embedded

import (
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Arm is what one arm did in a block, to be drawn. Figures of nothing are nil.
// Its fields are those of engine.BlockArm, to which it converts.
type Arm struct {
	Requests   int64    // live, forced ones included
	Errors     int64    // of those
	P50        *float64 // seconds, of random requests, as are all figures below
	P95        *float64
	P99        *float64
	Classes    map[string]int64
	Confidence *float64 // mean
	Value      *float64 // mean
	Labelled   int64    // predictions with a label that matured in the block
	Correct    int64    // of those
	TTFT       *float64 // median, seconds
	PerToken   *float64 // median, seconds
}

// Totals counts one arm since the process began. Its fields are those of
// engine.Totals, to which it converts.
type Totals struct {
	Requests  int64
	Errors    int64
	Forced    int64
	Mirrored  int64
	Dropped   int64
	Unread    int64
	Labelled  int64
	Predicted int64
}

// Block returns the figures, by arm, of the block whose sample carried a cursor,
// nil if it is no longer known.
func (s *Source) Block(cursor string) map[string]Arm {
	c := parse(cursor)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.points {
		if c.Epoch == s.epoch && c.Seq == p.seq {
			return p.arms
		}
	}
	return nil
}

// Totals returns, by arm, what was counted since the process began.
func (s *Source) Totals() map[string]Totals {
	snap := s.recorder.Snapshot()
	var labelled [traffic.MaxArms]int64
	if s.ledger != nil {
		labelled = s.ledger.Tally().Labelled
	}
	out := map[string]Totals{}
	for arm := range traffic.Arm(traffic.NumArms + len(s.names)) {
		a := &snap.Arms[arm]
		out[s.name(arm)] = Totals{
			Requests: a.Requests + a.Forced + a.Stale, Errors: a.Errors + a.ForcedErrors + a.StaleErrors,
			Forced: a.Forced, Unread: a.Unread, Predicted: a.Predictions, Labelled: labelled[arm],
		}
	}
	canary := out[traffic.Canary.String()] // copies go to the canary
	canary.Mirrored, canary.Dropped = snap.Pairs.Seen, snap.Pairs.Dropped
	out[traffic.Canary.String()] = canary
	return out
}

// name returns what people call an arm.
func (s *Source) name(arm traffic.Arm) string {
	if i := int(arm) - traffic.NumArms; i >= 0 {
		return s.names[i]
	}
	return arm.String()
}

func (s *Source) arms(d *telemetry.Snapshot, l *feedback.Answer) map[string]Arm {
	out := map[string]Arm{}
	for arm := range traffic.Arm(traffic.NumArms + len(s.names)) {
		a := &d.Arms[arm]
		quantile := func(counts []int64, q float64) *float64 {
			return optional(telemetry.Quantile(d.Edges, counts, q))
		}
		x := Arm{
			Requests: a.Requests + a.Forced + a.Stale, Errors: a.Errors + a.ForcedErrors + a.StaleErrors,
			P50: quantile(a.Latency, .5), P95: quantile(a.Latency, .95), P99: quantile(a.Latency, .99),
			Classes:    classes(a.ByClass, d.Classes),
			Confidence: optional(a.Confidence.Mean()), Value: optional(a.Value.Mean()),
			TTFT: quantile(a.TTFT, .5), PerToken: quantile(a.PerToken, .5),
		}
		if l != nil {
			j := l.Arms[arm].Unknown
			x.Labelled, x.Correct = j.N, j.N-j.Wrong
		}
		out[s.name(arm)] = x
	}
	return out
}

func classes(counts []int64, names []string) map[string]int64 {
	var out map[string]int64
	for i, n := range counts {
		if n == 0 {
			continue
		}
		name := telemetry.OtherClass
		if i < len(names) {
			name = names[i]
		}
		if out == nil {
			out = map[string]int64{}
		}
		out[name] += n
	}
	return out
}

func optional(x float64, ok bool) *float64 {
	if !ok {
		return nil
	}
	return &x
}
