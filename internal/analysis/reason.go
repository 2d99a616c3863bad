package analysis

import (
	"math"
	"strings"

	"github.com/haldane-dev/haldane/internal/stats"
)

// longWait is the wait in seconds beyond which a person is told what else to do.
const longWait = 1800

// longSilence is for how many seconds neither arm must have had requests for it to
// be said.
const longSilence = 60

// after says how much the canary was seen.
func after(m Metric, s *metricState) string {
	return ", after " + thousands(s.CanaryN) + " " + m.unitOfTrial()
}

// unitOfTrial names what is counted.
func (m Metric) unitOfTrial() string {
	switch m.Kind {
	case Outcome:
		return "labelled canary predictions"
	case Drift, Mean:
		return "canary predictions"
	case Pairs, PairedErrors, PairedLatency:
		return "pairs"
	case ErrorShare:
		return "canary failures"
	case Gauge:
		return "canary readings"
	default:
		return "canary requests"
	}
}

// holding says why a metric has not passed yet: what it waits for and, roughly,
// how long that takes at the present traffic if the canary is as good as stable.
func (j *judgement) holding(m Metric, s *metricState, sum summary, eta float64) string {
	switch {
	case j.warmsFor > 0 && s.CanaryN == 0:
		return m.Name + ": the canary is warming up, for " + about(j.warmsFor) + " more; its requests are not compared yet"
	case s.Pending != nil && s.CanaryN > 0 && s.Pending.Seconds >= longSilence && s.Pending.Measure.Stable.trials() == 0:
		return j.starving(m, s)
	case s.Pending != nil && (s.CanaryN == 0 || s.Pending.Measure.Canary.trials() > 0):
		return j.starving(m, s)
	case sum.waiting != "" && s.Flow.Canary > 0:
		return m.Name + ": waiting for " + sum.waiting
	case s.CanaryN == 0:
		return m.Name + ": waiting for " + m.unitOfTrial() + ", none compared yet"
	}
	out := sum.phrase + after(m, s) + "; not yet shown to be " + sum.margin.String() + sum.note
	if math.IsInf(eta, 1) {
		return out
	}
	return out + ", " + about(eta) + " more at this traffic if it is as good as stable"
}

// outlook says how long a doubling of failures would take to show, at the present
// traffic and with half of it on the canary, if it takes that much log evidence.
func (m Metric) outlook(s *metricState, needed float64) string {
	if m.Kind != ErrorRate || s.Share == nil {
		return ""
	}
	p := s.Share.Contrast.Stable.Rate(m.prior())
	stable, canary := s.Flow.perSecond()
	bet := m.share(who{}).rollback()
	wait := func(stable, canary float64) float64 {
		speed := bet.Growth(stats.Rates{Stable: p, Canary: math.Min(1, 2*p)}, stable, canary)
		return needed * math.Max(1, s.Phi) / speed
	}
	now, half := wait(stable, canary), wait((stable+canary)/2, (stable+canary)/2)
	if math.IsInf(now, 0) || math.IsInf(half, 0) {
		return ""
	}
	return "; a doubling of errors would show in " + about(now) + ", or " + about(half) + " at half of the traffic"
}

// silent says that an arm gets no requests that should, "" if that may be chance.
// Any run of requests without one for the other arm would do, so chance is reckoned
// over all that could have begun one.
func (j *judgement) silent(m Metric, s *metricState) string {
	if m.Kind != ErrorRate || j.cfg.SRM <= 0 || s.Weight <= 0 || s.Weight >= 1 {
		return ""
	}
	stable, canary, lasted := s.Alone.Trials, int64(0), s.Alone.Seconds
	if p := s.Pending; p != nil {
		stable, canary, lasted = p.Measure.Stable.trials(), p.Measure.Canary.trials(), p.Seconds
	}
	if lasted < 2*j.cfg.Interval.Seconds() {
		return "" // counts of one arm may come a block later than the other's
	}
	seen, missing, w := stable, "the canary", s.Weight
	other := "stable"
	if stable == 0 {
		seen, missing, other, w = canary, "stable", "the canary", 1-s.Weight
	}
	chances := math.Log(float64(s.StableN+s.CanaryN+seen) / j.cfg.SRM)
	if seen == 0 || -float64(seen)*math.Log1p(-w) < chances {
		return ""
	}
	return other + " had " + thousands(seen) + " requests and " + missing + " none, at a share of " + percent(w) +
		": it gets no traffic, or its counts are missing"
}

// starving tells of an arm without traffic. Silence alone is neither failure nor
// success; whether it is suspicious is the traffic check's business.
func (j *judgement) starving(m Metric, s *metricState) string {
	p := s.Pending
	stable, canary := p.Measure.Stable.trials(), p.Measure.Canary.trials()
	if canary == 0 && stable == 0 && p.Seconds > 0 && m.Kind != Pairs {
		return m.Name + ": neither arm had any " + strings.TrimPrefix(m.unitOfTrial(), "canary ") + " for " + about(p.Seconds) + "; nothing is judged meanwhile"
	}
	if canary > 0 {
		return m.Name + ": waiting for stable, which had no requests while the canary had " + thousands(canary)
	}
	out := m.Name + ": waiting for " + m.unitOfTrial() + ", none so far against " + thousands(stable) + " of stable"
	if w := s.Weight; w > 0 && w < 1 && stable > 0 && p.Seconds > 0 {
		out += "; at a share of " + percent(w) + " one is due every " +
			strings.TrimPrefix(about(p.Seconds/float64(stable)*(1-w)/w), "about ")
	}
	return out
}

// passed says that every gate has, naming the one with the least to spare.
func (j *judgement) passed() string {
	tightest := -1
	for i, m := range j.cfg.Metrics {
		if m.gates(j.stage) && (tightest < 0 || j.out.Metrics[i].LogPromotion < j.out.Metrics[tightest].LogPromotion) {
			tightest = i
		}
	}
	return "every metric is within its margin at this step; the closest: " + j.out.Metrics[tightest].Reason
}

// sentence says how traffic departs from what was configured.
func (t trafficState) sentence() string {
	return "traffic is not split as configured: the canary got " + percent(t.Canary/t.Total) + " of " +
		thousands(int64(t.Total)) + " requests instead of " + percent(t.Expected/t.Total) +
		"; a comparison on such traffic cannot be trusted"
}
