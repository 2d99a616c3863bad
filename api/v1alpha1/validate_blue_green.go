package v1alpha1

import (
	"fmt"
	"slices"
)

// blueGreen checks a strategy that previews, switches and bakes.
func (v *validator) blueGreen(path string, s *Spec) {
	b := s.Strategy.BlueGreen
	p := &b.Preview
	switch _, err := splitListen(p.Listen); {
	case p.Listen == "":
	case v.cluster:
		v.add(path+".preview.listen", "is an address of one machine: on a cluster the candidate is previewed at the Service NAME-canary")
	case err != nil:
		v.add(path+".preview.listen", "%q: %v: write it like 127.0.0.1:8081", p.Listen, err)
	}
	if p.Mirror != nil {
		if *p.Mirror <= 0 {
			v.add(path+".preview.mirror", "mirrors nothing: write 1 to 100, or leave it out")
		}
		v.judged(path+".preview.mirror", s.Analysis.Metrics)
	}
	switch h := *b.Bake.Holdback; {
	case h > 50:
		v.add(path+".bake.holdback", "is %s%%, more than half: write at most 50", trim(float64(h)))
	case h == 0 && !judgedOutside(&s.Analysis):
		v.add(path+".bake.holdback", "is 0: with nothing on the version before there is nothing to compare with. Write 5, or add a guardrail or a check that judges alone: it runs in the bake, and does more than warn")
	}
	if took := p.For.Duration + b.Bake.For.Duration; took >= s.Analysis.MaxDuration.Duration {
		v.add("spec.analysis.maxDuration", "is %s, and preview and bake take %s at least: lengthen it", s.Analysis.MaxDuration, took)
	}
	if s.Routing.Replicas != nil {
		v.add("spec.routing.replicas", "cannot hide a preview from users, who reach every pod: choose another router, or write canary")
	}
	if s.Workload != nil && s.Workload.Order == "Swap" {
		v.add("spec.workload.order", "is Swap: the version before would not have the pods to switch back to at once. Leave it out")
	}
}

// judgedOutside reports whether something can hold or take back without a
// comparison, all through.
func judgedOutside(a *Analysis) bool {
	return slices.ContainsFunc(a.Guardrails, func(g Guardrail) bool { return g.Effect != "Warn" && !g.DryRun }) ||
		slices.ContainsFunc(a.Checks, func(c Check) bool {
			return c.Effect != "Warn" && (len(c.When) == 0 || slices.Contains(c.When, "running"))
		})
}

// shadow checks a strategy that users never see.
func (v *validator) shadow(path string, s *Spec) {
	x := s.Strategy.Shadow
	if *x.Percent <= 0 {
		v.add(path+".percent", "mirrors nothing: write 1 to 100")
	}
	v.judged(path, s.Analysis.Metrics)
	for i := range s.Analysis.Metrics {
		if s.Analysis.Metrics[i].Pairs == nil {
			v.add(fmt.Sprintf("spec.analysis.metrics[%d]", i), "compares users of both versions, and a shadow has none of the candidate: write pairs")
		}
	}
	if x.For.Duration >= s.Analysis.MaxDuration.Duration {
		v.add("spec.analysis.maxDuration", "is %s, and the shadow takes %s at least: lengthen it", s.Analysis.MaxDuration, x.For)
	}
	if len(s.Routing.Always) > 0 {
		v.add("spec.routing.always", "sends users to the candidate, which a shadow never does: leave it out")
	}
	if v.cluster && s.Routing.Gateway == nil {
		v.add("spec.routing", "needs gateway: the answers to copied requests are compared by Haldane's gateway alone")
	}
	for i, h := range s.Hooks {
		if h.When == "confirmPromotion" || h.When == "confirmTrafficIncrease" {
			v.add(fmt.Sprintf("spec.hooks[%d].when", i), "is never asked: a shadow promotes nothing. Write confirmRollout, or leave it out")
		}
	}
}

// judged demands something to judge copies by: their answers are compared with
// stable's in pairs, and with nothing else.
func (v *validator) judged(path string, metrics []Metric) {
	if !hasPairs(metrics) {
		v.add(path, "would never end: mirrored answers are compared by a metric of pairs, and there is none. "+
			"Add {name: agreement, pairs: {maxDisagreement: 2%%}} to analysis.metrics, or remove it")
	}
}
