package analysis

import (
	"math"
	"strings"

	"github.com/haldane-dev/haldane/internal/stats"
)

// longWait is the wait in seconds beyond which a person is told what else to do.
const longWait = 1800

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
	case s.Users != nil && !s.Users.Known:
		return m.Name + ": waiting until stable has shown how much its users differ, since they stay on their arm"
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
	bet := share{m.margin(), m.Tolerate, m.prior(), effects, who{}}.rollback()
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

// starving tells of an arm without traffic. Silence alone is neither failure nor
// success; whether it is suspicious is the traffic check's business.
func (j *judgement) starving(m Metric, s *metricState) string {
	p := s.Pending
	stable, canary := p.Measure.Stable.trials(), p.Measure.Canary.trials()
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
