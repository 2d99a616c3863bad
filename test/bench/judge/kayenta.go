package main

import (
	"math"
	"slices"
	"time"
)

// kayenta is Kayenta's default judge, NetflixACAJudge, on one metric: the failed
// percentage or the p99 of each minute, where more is worse. The control is a
// baseline as large as the canary, for the documents ask for one: "Same size of
// deployment. Same type and amount of traffic."
//
// Sources: the documents that github.com/spinnaker/kayenta keeps in docs at commit
// a69573be (canary-config.md, faq.md), and those of Spinnaker
// (https://spinnaker.io/docs/guides/user/canary): best-practices, judge, stage. The
// constants of the test are in none of them, but in the judge's source, to which
// canary-config.md and faq.md refer: kayenta-judge/src/main/scala/…/judge.
type kayenta struct {
	every time.Duration // "how frequently (in minutes) to capture and score the metrics" (stage, Interval)
	delay time.Duration // "how many minutes to wait before starting the analysis" (stage, Delay)
}

const (
	// A point a minute gives the hour 60, for "at least 50 pieces of time series data
	// per metric" (best-practices, Run the canary for enough time).
	kayentaStep = time.Minute
	// "Good starting points: marginal threshold of 75, pass threshold of 95"
	// (best-practices, Carefully choose your thresholds).
	kayentaMarginal = 75
	kayentaPass     = 95
	// new MannWhitneyClassifier(tolerance = 0.25, confLevel = 0.98, …)
	// (NetflixACAJudge.scala:146).
	kayentaTolerance  = .25
	kayentaConfidence = .98
	// "allowedIncrease … Defaults to 1. The multiplier increase that must be met for
	// the metric to fail", of the ratio of means (canary-config.md, EffectSize).
	kayentaAllowedIncrease = 1
)

func (k kayenta) rule(name string) rule { return rule{name, k.decide} }

func (k kayenta) decide(s *stream) outcome {
	start := s.at(k.delay)
	// The last run is at the end of the lifetime, whatever the delay.
	ends := s.spans(k.delay, k.every)
	if len(ends) == 0 || ends[len(ends)-1] != s.ticks() {
		ends = append(ends, s.ticks())
	}
	for i, to := range ends {
		// "A growing analysis": each judgment goes back to the beginning (stage,
		// Lookback Type). NaN values are removed by default (canary-config.md,
		// nanStrategy).
		score := kayentaScore(s.values(s.baseline, start, to, kayentaStep), s.values(s.canary, start, to, kayentaStep))
		// "If a canary run has a score below than this threshold, then the whole canary
		// fails" (best-practices, marginal).
		if score < kayentaMarginal {
			return outcome{rolledBack, to}
		}
		// "The last canary run of the analysis must score higher than this threshold
		// for the whole analysis to be considered successful. Otherwise it fails."
		// (best-practices, pass).
		if last := i == len(ends)-1; last && score < kayentaPass {
			return outcome{rolledBack, to}
		}
	}
	return passed(s)
}

// kayentaScore is "the ratio of Pass metrics out of the total number of metrics"
// in percent (judge, step 4): of one metric, 100 or 0.
func kayentaScore(control, experiment []float64) float64 {
	// "the judge does not automatically fail the canary for NODATA" (judge, step 1);
	// but when half of the metrics or more have none, the score is 0
	// (WeightedSumScorer.scala:27, 98).
	if len(control) == 0 || len(experiment) == 0 {
		return 0
	}
	if kayentaHigh(control, experiment) {
		return 0
	}
	return 100
}

// kayentaHigh reports whether the metric is classified High.
func kayentaHigh(control, experiment []float64) bool {
	// Identical data pass, and so does a single value (MannWhitneyClassifier.scala:
	// 167, 173).
	a, b := slices.Clone(experiment), slices.Clone(control)
	slices.Sort(a)
	slices.Sort(b)
	if slices.Equal(a, b) || a[0] == a[len(a)-1] && b[0] == b[len(b)-1] && a[0] == b[0] {
		return false
	}
	// The ratio of the means, where it can be computed, must reach allowedIncrease
	// (MannWhitneyClassifier.scala:119).
	if ratio := mean(experiment) / mean(control); mean(experiment) != 0 && mean(control) != 0 && ratio < kayentaAllowedIncrease {
		return false
	}
	m := mannWhitney{x: experiment, y: control}
	// What follows asks for a lower limit above 0. It is not if z at 0 stays under the
	// quantile, which spares most metrics the search for their limits.
	if m.z(0) <= m.quantile() {
		return false
	}
	// "High" if the lower limit exceeds tolerance × |Hodges–Lehmann estimate|
	// (MannWhitneyClassifier.scala:72–79, 116–121).
	return m.lower() > kayentaTolerance*math.Abs(m.estimate())
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
