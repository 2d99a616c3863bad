package object

import (
	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Mirrors returns the share of each step of s that copies requests.
func Mirrors(s *v1alpha1.Spec) []traffic.Weight {
	var out []traffic.Weight
	if s.Strategy.Canary == nil {
		return nil
	}
	for _, step := range s.Strategy.Canary.Steps {
		if step.Shadow != nil {
			out = append(out, traffic.Percent(float64(step.Shadow.Percent)))
		}
	}
	return out
}
