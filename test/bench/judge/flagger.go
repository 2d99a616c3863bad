package main

import (
	"math"
	"time"
)

// flagger is the metric analysis of Flagger with one built-in check.
//
// Source: its documentation at v1.44.0, https://docs.flagger.app, by page, which
// github.com/fluxcd/flagger keeps in docs/gitbook at commit 15bd6ad5.
type flagger struct {
	max       float64 // a check fails above: percent of failed requests, or p99 in ms
	threshold int     // failed checks until rollback
}

// The interval between checks: "schedule interval (default 60s)"
// (usage/how-it-works.md:351; usage/deployment-strategies.md:39).
const flaggerInterval = time.Minute

func (f flagger) rule(name string) rule { return rule{name, f.decide} }

func (f flagger) decide(s *stream) outcome {
	failed := 0
	// The canary alone is queried, over the metric's own interval, 1m in most
	// examples: non-5xx responses by all responses of the canary workload in that
	// window (faq.md, "HTTP requests success rate percentage"), or its p99
	// (usage/metrics.md:24, "maximum req duration P99").
	for _, to := range s.spans(0, flaggerInterval) {
		v := s.value(s.canary, to-s.at(flaggerInterval), to)
		// The range's own values are accepted: a check fails below min, above max
		// (usage/metrics.md:30). With "min: 99" (usage/metrics.md:21) that is more
		// than 1% failed. Without traffic the check fails with "no values found"
		// (usage/webhooks.md:137).
		if math.IsNaN(v) || v > f.max {
			// A failed check adds to a counter and halts the advancement
			// (usage/deployment-strategies.md:91–93). Nothing described takes it back.
			failed++
		}
		// "max number of failed metric checks before rollback"
		// (usage/how-it-works.md:353): on each run, when the threshold
		// is reached, the analysis stops and the canary is rolled back
		// (usage/how-it-works.md:391). That takes interval × threshold
		// (usage/deployment-strategies.md:67). The examples set 5
		// (tutorials/istio-progressive-delivery.md:116) or 10 (usage/how-it-works.md:27).
		if failed >= f.threshold {
			return outcome{rolledBack, to}
		}
	}
	// The analysis runs until the maximum weight or the number of iterations is
	// reached, then the canary is promoted (usage/how-it-works.md:390;
	// usage/deployment-strategies.md:100–109): here after the hour.
	return passed(s)
}
