package analysis

import (
	"math"
	"time"

	"github.com/haldane-dev/haldane/internal/stats"
)

// Step takes one block into the evidence and judges what there is. It returns the
// next state and the verdict; the inputs are left as they are.
//
// A block at or before the newest one taken in changes nothing and gets the stored
// verdict, so a block may be offered again after a crash. A Fail is final for the
// state: later blocks are acknowledged but no longer change the evidence.
func Step(cfg Config, s State, x Sample) (State, Verdict) {
	if s.Blocks > 0 && x.Block <= s.LastBlock {
		return s, s.Verdict
	}
	next := s.clone()
	next.Version = stateVersion
	if len(next.Metrics) != len(cfg.Metrics) {
		next.Metrics = make([]metricState, len(cfg.Metrics))
	}
	restage := s.Blocks == 0 || s.Stage != x.Stage
	next.Blocks++
	next.LastBlock, next.Stage = x.Block, x.Stage
	if s.Verdict.Decision == Fail {
		next.Verdict.Block, next.Verdict.Stage = x.Block, x.Stage
		return next, next.Verdict
	}
	next.Traffic.observe(x.Assigned)
	if cfg.wronglySplit(next.Traffic) && !next.Traffic.Wrong {
		next.Traffic.Wrong = true
		next.mistrust()
	}
	next.sawCanary(cfg, x)
	b := block{
		sample:   x,
		seconds:  math.Max(0, x.End.Sub(x.Start).Seconds()),
		start:    x.Start.UnixNano(),
		warming:  !next.Warm,
		schedule: cfg.schedule(),
		temper:   cfg.Dispersion,
		checks:   cfg.SRM,
		who:      who{sticky: cfg.Sticky, alpha: cfg.level(), beta: cfg.FalsePromotion},
	}
	shares := cfg.shares()
	for i, m := range cfg.Metrics {
		if restage {
			next.Metrics[i].restage(m)
		}
		if cfg.PerRequest && !next.Traffic.Wrong {
			b.decides = threshold(cfg.level()) - math.Log(shares[i])
		}
		next.Metrics[i].take(m, b)
	}
	next.Verdict = cfg.judge(&next, x)
	return next, next.Verdict
}

// sawCanary notes when the canary's first traffic was counted and when its
// warm-up is over. Once over it stays so, even if the clock is set back; a clock
// set back during the warm-up starts it again.
func (s *State) sawCanary(cfg Config, x Sample) {
	start := x.Start.UnixNano()
	if s.Warm {
		return
	}
	if s.FirstCanary == 0 && x.hasCanary() || start < s.FirstCanary {
		s.FirstCanary = start
	}
	s.Warm = s.FirstCanary != 0 && start >= s.FirstCanary+int64(cfg.Warmup)
}

// wronglySplit reports whether the traffic check has found the split not to be as
// configured.
func (c Config) wronglySplit(t trafficState) bool {
	return c.SRM > 0 && t.Check.LogE() >= threshold(c.SRM)
}

// mistrust takes back the evidence that rested on requests having been assigned
// as configured.
func (s *State) mistrust() {
	for i := range s.Metrics {
		if p := s.Metrics[i].Share; p != nil {
			p.mistrust()
		}
		if l := s.Metrics[i].Latency; l != nil {
			for j := range l.Over {
				l.Over[j].mistrust()
			}
		}
	}
}

// warmsFor returns the seconds until the canary's warm-up ends.
func (s State) warmsFor(cfg Config, x Sample) float64 {
	if s.Warm || s.FirstCanary == 0 {
		return 0
	}
	return time.Duration(s.FirstCanary + int64(cfg.Warmup) - x.End.UnixNano()).Seconds()
}

// hasCanary reports whether the canary had any traffic.
func (x Sample) hasCanary() bool {
	for _, a := range x.Assigned {
		if a.Canary > 0 {
			return true
		}
	}
	for _, m := range x.Metrics {
		if m.Canary.trials() > 0 || m.Canary.K > 0 || m.Pairs > 0 {
			return true
		}
	}
	return false
}

// observe adds a block's random decisions to the traffic check.
func (t *trafficState) observe(assigned []Assignment) {
	for _, a := range assigned {
		if a.Weight <= 0 || a.Weight >= 1 || a.Stable < 0 || a.Canary < 0 {
			continue
		}
		stable, canary := float64(a.Stable), float64(a.Canary)
		t.Check.Observe(a.Weight, stable, canary)
		t.Total += stable + canary
		t.Canary += canary
		t.Expected += a.Weight * (stable + canary)
	}
}

// block is a sample and what Step knows about it.
type block struct {
	sample   Sample
	seconds  float64
	start    int64 // Unix nanoseconds
	warming  bool  // the canary is not warm, or has had no traffic: history, not evidence
	schedule stats.Schedule
	temper   bool
	decides  float64 // see moment
	checks   float64 // false-alarm probability of each check, 0 for none
	who      who     // without the cohort, which is the metric's
}

// restage forgets promotion evidence.
func (s *metricState) restage(m Metric) {
	s.Passed = false
	if j := s.judge(m); j != nil {
		j.restage()
	}
}

// take adds one metric's counts of a block: to history while the canary warms up
// or is not compared, else to the evidence as soon as both arms have counts.
func (s *metricState) take(m Metric, b block) {
	s.Invalid = ""
	j := s.judge(m)
	if j == nil {
		s.Invalid = "no test for metrics of kind " + string(m.Kind)
		return
	}
	x, ok := b.sample.Metrics[m.Name]
	s.turn(m, j, b.sample.Weight)
	if !ok {
		s.idle(b.seconds)
		return
	}
	if l, is := j.(*latencyState); is {
		x, s.Invalid = l.classic(x)
		if s.Pending != nil && len(x.Edges) != len(s.Pending.Measure.Edges) && l.Schema != nil {
			s.Pending = nil // in buckets that are no more
		}
	}
	if s.Invalid == "" {
		s.Invalid = j.check(m, x)
	}
	if s.Invalid == "" && s.Pending != nil && !x.follows(s.Pending.Measure) {
		s.Invalid = "edges or classes changed while counts were waiting for the other arm"
	}
	if s.Invalid != "" {
		s.Pending = nil
		return
	}
	if b.who.sticky && len(x.Stable.Groups)+len(x.Before)+len(x.Stable.Values) > 0 {
		lazily(&s.Users)
	}
	s.weigh(m, j, x, b)
	if s.Users != nil {
		s.Users.add(x, b.sample.Weight)
	}
}

// weigh puts a block's counts where they belong: to history, to what waits for the
// other arm, or to the evidence.
func (s *metricState) weigh(m Metric, j judge, x Measure, b block) {
	if b.who.sticky = s.Users != nil; b.who.sticky {
		b.who = s.Users.who(b.who, m, b.sample.Weight)
	}
	if stable, canary := m.trials(x); canary > 0 {
		s.Alone = silence{}
	} else if b.warming && b.sample.Weight > 0 {
		s.Alone.Trials += stable
		s.Alone.Seconds += b.seconds
	}
	if b.warming || !m.compared(b.sample.Stage) {
		s.settle(m, j)
		if x.Stable.trials() > 0 {
			j.learn(m, x.stableOnly(), stats.Decay(b.seconds))
		}
		return
	}
	p := pending{Measure: x, Seconds: b.seconds}
	if s.Pending != nil {
		p = pending{Measure: s.Pending.Measure.plus(x), Seconds: s.Pending.Seconds + b.seconds}
	}
	if !m.comparable(p.Measure) {
		kept := p // only what is kept moves to the heap
		s.Pending = &kept
		return
	}
	s.Pending = nil
	s.bet(m, j, p, b)
}

// turn reacts to a change of the traffic share: counts carried over from the old
// share are no comparison with the new one, and the pace of traffic changes.
func (s *metricState) turn(m Metric, j judge, weight float64) {
	if s.Weight == weight {
		return
	}
	s.settle(m, j)
	s.Weight, s.Flow, s.Alone = weight, flow{}, silence{}
}

// settle turns what was carried over into history: stable's counts are learned
// from, the canary's are dropped, whatever they say.
func (s *metricState) settle(m Metric, j judge) {
	if s.Pending == nil {
		return
	}
	if p := s.Pending; p.Measure.Stable.trials() > 0 {
		j.learn(m, p.Measure.stableOnly(), stats.Decay(p.Seconds))
	}
	s.Pending = nil
}

// idle lets time pass without counts.
func (s *metricState) idle(seconds float64) {
	if s.Pending != nil {
		p := *s.Pending
		p.Seconds += seconds
		s.Pending = &p
	}
}

// bet takes counts of both arms as evidence.
func (s *metricState) bet(m Metric, j judge, p pending, b block) {
	if s.Since == 0 {
		s.Since = b.start
	}
	decay := stats.Decay(p.Seconds)
	phi := j.bet(m, p.Measure, moment{
		decay:    decay,
		factor:   b.sample.Stage.factor(),
		schedule: b.schedule,
		due:      slots(s.Since, b.start),
		temper:   b.temper,
		weight:   b.sample.Weight,
		checks:   b.checks,
		who:      b.who,
		decides:  b.decides,
	})
	stable, canary := m.trials(p.Measure)
	if s.Share != nil && b.checks > 0 && s.Void == "" {
		s.Void = s.Share.control(m, b.checks)
	}
	if phi > 0 {
		s.Phi = phi
		s.StableN += stable
		s.CanaryN += canary
	}
	s.Flow.add(float64(stable), float64(canary), p.Seconds, decay)
}

// comparable reports whether both arms have counts.
func (m Metric) comparable(x Measure) bool {
	stable, canary := m.trials(x)
	if m.Kind == ErrorShare {
		return stable+canary > 0
	}
	return stable > 0 && canary > 0
}

// trials returns how many trials of each arm a measure holds.
func (m Metric) trials(x Measure) (stable, canary int64) {
	switch m.Kind {
	case Pairs, PairedErrors:
		return x.Pairs, x.Pairs
	case PairedLatency:
		n := x.Canary.trials()
		return n, n
	case ErrorShare:
		return x.Stable.K, x.Canary.K
	default:
		return x.Stable.trials(), x.Canary.trials()
	}
}

// stableOnly returns the measure without the canary.
func (m Measure) stableOnly() Measure {
	m.Canary = Counts{}
	return m
}

// minute is the length of a restart slot.
const minute = int64(time.Minute)

// slots returns how many whole minutes lie between two instants in nanoseconds.
func slots(from, to int64) int {
	if to <= from {
		return 0
	}
	return int((to - from) / minute)
}
