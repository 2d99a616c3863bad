package object

import (
	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Mirrors returns the share of each step of s that copies requests.
func Mirrors(s *v1alpha1.Spec) []traffic.Weight {
	var out []traffic.Weight
	for _, w := range s.Strategy.Mirrors() {
		out = append(out, traffic.Percent(float64(w)))
	}
	return out
}

// Matches returns what is forced onto the canary and onto stable by s.
func Matches(s *v1alpha1.Spec) (always, never []traffic.Match) {
	return matches(s.Routing.Always), matches(s.Routing.Never)
}

func matches(in []v1alpha1.Match) []traffic.Match {
	field := func(f *v1alpha1.FieldMatch) *traffic.Field {
		if f == nil {
			return nil
		}
		return &traffic.Field{Name: f.Name, Exact: f.Exact, Prefix: f.Prefix, Regex: f.Regex}
	}
	var out []traffic.Match
	for _, m := range in {
		out = append(out, traffic.Match{Header: field(m.Header), Cookie: field(m.Cookie), Country: m.Country, Cohort: m.Cohort})
	}
	return out
}
