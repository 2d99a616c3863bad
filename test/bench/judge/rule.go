package main

import "time"

// decision is how a rollout ends.
type decision int

const (
	held       decision = iota // undecided when the record ended
	rolledBack                 // the canary was taken back
	promoted                   // the canary became the new version
)

// outcome is a decision and the tick before which it was reached.
type outcome struct {
	decision decision
	tick     int
}

// rule is one way of deciding. decide looks at the record from its beginning and
// stops at the first decision; it is pure and safe for concurrent use.
type rule struct {
	name   string
	decide func(*stream) outcome
}

// undecided is the outcome at the end of a record.
func undecided(s *stream) outcome { return outcome{held, s.ticks()} }

// passed is the outcome of rules that promote what survived to the end.
func passed(s *stream) outcome { return outcome{promoted, s.ticks()} }

// rules returns everything that is shown a workload. The oracle's threshold is
// tuned to it, all others are the same everywhere.
func rules(w workload, seed uint64) []rule {
	all := []rule{
		haldane(w, "Haldane, 1 s blocks", strict, time.Second),
		haldane(w, "Haldane, 15 s blocks", strict, 15*time.Second),
		haldane(w, "Haldane, 15 s, default tolerance", tolerant, 15*time.Second),
	}
	if w.edges != nil {
		return append(all[1:],
			flagger{max: 500, threshold: 5}.rule("Flagger, p99 ≤ 500 ms, threshold 5"),
			kayenta{every: time.Hour, delay: w.delay}.rule("Kayenta, once after 60 min"),
			kayenta{every: 5 * time.Minute, delay: w.delay}.rule("Kayenta, every 5 min"),
			tune(w, seed).rule("static threshold, oracle-tuned"),
		)
	}
	return append(all,
		flagger{max: 1, threshold: 5}.rule("Flagger, ≥ 99%, threshold 5"),
		flagger{max: 1, threshold: 10}.rule("Flagger, ≥ 99%, threshold 10"),
		argo{interval: 5 * time.Minute, min: .95, failureLimit: 3, delay: w.delay}.rule("Argo, ≥ 95% every 5 min, failureLimit 3"),
		argo{interval: time.Minute, min: .99, failureLimit: 3, delay: w.delay}.rule("Argo, ≥ 99% every 1 min, failureLimit 3"),
		kayenta{every: time.Hour, delay: w.delay}.rule("Kayenta, once after 60 min"),
		kayenta{every: 5 * time.Minute, delay: w.delay}.rule("Kayenta, every 5 min"),
		ztest{every: time.Minute, level: .05}.rule("z-test at 5%, every minute"),
		ztest{every: time.Hour, level: .01}.rule("z-test at 1%, once after 60 min"),
		tune(w, seed).rule("static threshold, oracle-tuned"),
	)
}
