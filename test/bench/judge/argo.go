package main

import "time"

// argo is a background analysis of Argo Rollouts with one metric, the success
// rate of the canary, that runs for as long as the rollout does.
//
// Source: its documentation at v1.9, https://argo-rollouts.readthedocs.io, which
// github.com/argoproj/argo-rollouts keeps in docs at commit 9f8d111d. analysis.md
// stands for features/analysis.md, schema for the field descriptions of
// features/kustomize/rollout_cr_schema.json.
type argo struct {
	interval     time.Duration
	min          float64 // successCondition: result[0] >= min
	failureLimit int
	count        int           // measurements until success; 0 for as long as the rollout runs
	delay        time.Duration // initialDelay: the metric starts that much later (analysis.md:1202)
}

const (
	// "the maximum number of times the measurement is allowed to error in
	// succession, before the metric is considered error (default: 4)" (schema:126).
	argoConsecutiveErrorLimit = 4
	// An errored measurement is taken again after 10 s; not in the documents, read
	// from the program (analysis/analysis.go:30).
	argoErrorRetry = 10 * time.Second
)

// phase is what one measurement said.
type phase int

const (
	successful phase = iota
	failed
	errored
)

// measure takes one measurement before a tick.
func (a argo) measure(s *stream, to int) phase {
	// The documented query divides the rate of non-5xx responses by that of all
	// responses over the last 5m, its interval (analysis.md:87–96). It is given all
	// requests of the window, more than irate, which reads its last two samples.
	counts := s.canary.between(max(0, to-s.at(a.interval)), to)
	n := counts[0] + counts[1]
	switch {
	case n == 0 && s.canary.requests(0, to) == 0:
		// Before the first request there is no series, hence no result[0].
		return errored
	case n == 0:
		// 0/0 is NaN, which "result >= 0.95" does not accept: Failed
		// (analysis.md:1312–1328).
		return failed
	case float64(counts[0])/float64(n) >= a.min:
		// successCondition: result[0] >= 0.95 (analysis.md:85).
		return successful
	default:
		return failed
	}
}

func (a argo) rule(name string) rule { return rule{name, a.decide} }

func (a argo) decide(s *stream) outcome {
	failures, errors, taken := 0, 0, 0
	// The first measurement waits until its window is full: an initialDelay of one
	// interval, which spares it the moment of the first requests.
	for at := a.delay + a.interval; at <= s.since(s.ticks()); {
		to, next := s.at(at), a.interval
		switch a.measure(s, to) {
		case successful:
			errors = 0
			taken++
		case failed:
			errors = 0
			failures++
			taken++
		case errored:
			errors++
			next = argoErrorRetry
		}
		// failureLimit is "the maximum number of times the measurement is allowed to
		// fail, before the entire metric is considered Failed (default: 0)"
		// (schema:166); so is consecutiveErrorLimit for errors in succession
		// (schema:126). A failed or errored analysis aborts the rollout and sets the
		// canary's weight back to zero (analysis.md:30).
		if failures > a.failureLimit || errors > argoConsecutiveErrorLimit {
			return outcome{rolledBack, to}
		}
		// With a count, the analysis succeeds when it is reached and the failureLimit
		// is not violated (analysis.md:843–848; schema:150).
		if a.count > 0 && taken >= a.count {
			return outcome{promoted, to}
		}
		at += next
	}
	// A background analysis without count is stopped at the end of the rollout,
	// successfully unless the failureLimit is violated (analysis.md:854–858).
	return passed(s)
}
