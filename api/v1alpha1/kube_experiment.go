package v1alpha1

import "fmt"

// clusterExperiment refuses what an experiment cannot do on a cluster.
func (v *validator) clusterExperiment(path string, s *Spec) {
	x := s.Strategy.Experiment
	if s.Routing.Gateway == nil {
		for i, a := range x.Arms {
			if len(a.Always) > 0 {
				v.add(fmt.Sprintf("%s.arms[%d].always", path, i), "needs Haldane's gateway, which counts such requests apart: write routing.gateway, or leave it out")
			}
		}
	}
	if p := s.Analysis.Source.Prometheus; p != nil && x.Allocation == "Thompson" && x.Goal.Late() &&
		(p.Preset != "haldane" || len(p.Series["goal"]) > 0) {
		v.add(path+".allocation", "is Thompson, and what comes back later is counted by series that do not say when its prediction was made, under which weights: write Fixed, or preset: haldane with routing.gateway")
	}
}

// Late reports whether the goal is of what comes back after the prediction.
func (g *Goal) Late() bool {
	return g.Outcome != nil || g.Mean != nil && (g.Mean.Event != "" || g.Mean.Of == "feedback")
}
