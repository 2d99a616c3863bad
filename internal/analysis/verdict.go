package analysis

import (
	"math"
	"strings"

	"github.com/haldane-dev/haldane/internal/stats"
)

// judge turns the evidence into one decision: Fail over Invalid over Inconclusive
// over Pass. It notes in s which metrics have passed.
func (c Config) judge(s *State, x Sample) Verdict {
	j := judgement{
		cfg:      c,
		stage:    x.Stage,
		alpha:    threshold(c.level()),
		beta:     threshold(c.FalsePromotion),
		states:   s.Metrics,
		warmsFor: s.warmsFor(c, x),
		sums:     make([]summary, len(c.Metrics)),
		out:      Verdict{Block: x.Block, Stage: x.Stage, Metrics: make([]MetricVerdict, len(c.Metrics))},
	}
	shares := c.shares()
	claims := make([]stats.Claim, len(c.Metrics))
	etas := make([]float64, len(c.Metrics))
	for i := range c.Metrics {
		j.out.Metrics[i], etas[i] = j.metric(i, shares[i])
		claims[i] = stats.Claim{Share: shares[i], Clock: c.clock(i), LogE: j.out.Metrics[i].LogRollback}
		if j.few(i) {
			claims[i].LogE = math.Min(claims[i].LogE, 0)
		}
	}
	switch {
	case len(claims) > 0 && stats.Family(claims) >= j.alpha:
		j.fail(claims)
	case s.Traffic.Wrong:
		j.out.Decision = Invalid
		j.out.Reason = s.Traffic.sentence()
	case j.invalid():
	default:
		j.progress(etas)
	}
	return j.out
}

// threshold is the log evidence that errors of probability p allow. A p of 0
// would take infinite evidence, which JSON cannot write.
func threshold(p float64) float64 { return -math.Log(math.Max(p, 1e-300)) }

// judgement is a verdict in the making.
type judgement struct {
	cfg         Config
	stage       Stage
	alpha, beta float64 // thresholds of log evidence
	warmsFor    float64 // seconds until the canary's warm-up ends; 0 if it has or has not begun
	states      []metricState
	sums        []summary
	out         Verdict
}

// metric judges one metric by itself and estimates the seconds to its pass, or
// +Inf.
func (j *judgement) metric(i int, share float64) (MetricVerdict, float64) {
	m, s := j.cfg.Metrics[i], &j.states[i]
	v := view{stage: j.stage, schedule: j.cfg.schedule()}
	v.stable, v.canary = s.Flow.perSecond()
	if s.Users != nil {
		v.who = who{sticky: true, alpha: j.cfg.level(), beta: j.cfg.FalsePromotion}
		v.who = s.Users.who(v.who, m, s.Weight)
	}
	sum := summary{waiting: "counts"}
	if part := s.judge(m); part != nil {
		sum = part.summary(m, v)
	}
	j.sums[i] = sum
	needed := j.alpha - math.Log(share)
	out := MetricVerdict{
		Name: m.Name, Kind: m.Kind, Decision: Inconclusive,
		LogRollback: sum.rollback, RollbackThreshold: needed,
		LogPromotion: sum.promotion, PromotionThreshold: j.beta,
		StableN: s.StableN, CanaryN: s.CanaryN,
		Stable: sum.stable, Canary: sum.canary, Effect: sum.effect,
		Uncorrected: j.cfg.Sticky && s.Users == nil && s.StableN+s.CanaryN > 0 && !m.Kind.paired() && m.Kind != Gauge,
	}
	eta := math.Inf(1)
	if sum.speed > 0 {
		eta = math.Max(0, j.beta-sum.promotion) * math.Max(1, s.Phi) / sum.speed
	}
	// A bound once reached stays reached: that it ever is has a probability of β at
	// the margin. Evidence that has turned round entirely is believed all the same.
	s.Passed = s.CanaryN > 0 && (sum.promotion >= j.beta || s.Passed && sum.promotion >= 0)
	switch {
	case s.Void != "":
		out.Decision, out.Reason = Invalid, m.Name+" cannot be judged: "+s.Void
	case s.Invalid != "":
		out.Decision, out.Reason = Invalid, m.Name+" cannot be judged: "+s.Invalid
	case j.silent(m, s) != "":
		out.Decision, out.Reason = Invalid, m.Name+" cannot be judged: "+j.silent(m, s)
	case sum.held != "":
		out.Reason = m.Name + ": " + sum.held
	case sum.rollback >= needed && j.few(i):
		out.Reason = sum.phrase + after(m, s) + ", but of so few groups of users that it can be due to who they are: wait for more of them, or decide by hand"
	case s.Passed:
		out.Decision = Pass
		out.Reason = sum.phrase + ", shown to be " + sum.margin.String() + sum.note + after(m, s)
	default:
		out.Reason = j.holding(m, s, sum, eta)
		if eta > longWait && !math.IsInf(eta, 1) && s.CanaryN > 0 && sum.waiting == "" {
			out.Reason += m.outlook(s, needed) + ": raise the weight, shadow, or allow more time"
		}
	}
	return out, eta
}

// few reports whether what speaks against the canary in a metric may be a few of
// its users.
func (j *judgement) few(i int) bool {
	u := j.states[i].Users
	return u != nil && u.few(j.cfg.level())
}

// fail names the culprits. Evidence spread over several metrics can suffice
// together without any one being named at α; then the strongest is.
func (j *judgement) fail(claims []stats.Claim) {
	j.out.Decision = Fail
	strongest := 0
	for i, e := range stats.Holm(claims) {
		if e >= j.alpha {
			j.out.Culprits = append(j.out.Culprits, j.cfg.Metrics[i].Name)
			j.blame(i)
		}
		if weighted(claims[i]) > weighted(claims[strongest]) {
			strongest = i
		}
	}
	if len(j.out.Culprits) == 0 {
		j.out.Culprits = []string{j.cfg.Metrics[strongest].Name}
		j.blame(strongest)
		j.out.Reason = "several metrics together; most of all " + j.out.Metrics[strongest].Reason
		return
	}
	var reasons []string
	for _, m := range j.out.Metrics {
		if m.Decision == Fail {
			reasons = append(reasons, m.Reason)
		}
	}
	j.out.Reason = strings.Join(reasons, "; ")
}

func weighted(c stats.Claim) float64 { return math.Log(c.Share) + c.LogE }

// blame marks one metric as failed and says why.
func (j *judgement) blame(i int) {
	m := &j.out.Metrics[i]
	m.Decision = Fail
	m.Reason = j.sums[i].phrase + ", tolerated " + j.sums[i].tolerated.String() + after(j.cfg.Metrics[i], &j.states[i])
}

// invalid reports whether a metric's counts could not be used, and says which.
func (j *judgement) invalid() bool {
	for i := range j.states {
		if j.out.Metrics[i].Decision == Invalid {
			j.out.Decision = Invalid
			j.out.Reason = j.out.Metrics[i].Reason
			return true
		}
	}
	return false
}

// progress decides between Pass and Inconclusive: every metric that gates this
// stage must have passed.
func (j *judgement) progress(etas []float64) {
	gates, slowest := 0, -1
	for i, m := range j.cfg.Metrics {
		if !m.gates(j.stage) {
			continue
		}
		gates++
		if j.out.Metrics[i].Decision != Pass && (slowest < 0 || etas[i] > etas[slowest]) {
			slowest = i
		}
	}
	switch {
	case slowest >= 0:
		j.out.Decision = Inconclusive
		j.out.Reason = j.out.Metrics[slowest].Reason
	case gates > 0:
		j.out.Decision = Pass
		j.out.Reason = j.passed()
	case j.stage.Last || j.stage.Shadow:
		j.out.Decision = Inconclusive
		j.out.Reason = "no metric declared can judge this step, and nothing is promoted without evidence: declare one or promote by hand"
	default:
		j.out.Decision = Pass
		j.out.Reason = "no metric declared gates this step"
	}
}
