package v1alpha1

import (
	"fmt"
	"maps"
	"slices"
)

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

// workloadVariants checks the Deployments of further arms.
func (v *validator) workloadVariants(path string, s *Spec) {
	w := s.Workload
	if len(w.Variants) == 0 {
		return
	}
	if s.Strategy.Experiment == nil {
		v.add(path, "%s", onlyInExperiments)
		return
	}
	if s.Routing.Gateway == nil {
		v.add(path, "are more arms than this router divides between: write routing.gateway, or compare stable and canary alone")
	}
	if p := s.Analysis.Source.Prometheus; p != nil && (p.Preset != "haldane" || p.ArmBy != nil) {
		v.add(path, "are told apart by what Haldane's gateways count: write preset: haldane, without armBy")
	}
	deployments, services := map[string]string{w.Name: ArmCanary, w.StableName: ArmStable}, map[string]string{
		w.Service: ArmCanary, w.Name + "-stable": ArmStable, w.Name + "-canary": ArmCanary,
	}
	for _, name := range slices.Sorted(maps.Keys(w.Variants)) {
		one, at := w.Variants[name], path+"."+name
		if !dnsLabel.MatchString(name) || len(name) > 63 || armOrder(name) < 2 {
			v.add(at, "is no name of a variant: write one of lower-case letters, digits and dashes, and not stable or canary")
		}
		v.object(at+".name", one.Name, 63)
		v.object(at+".service", one.Service, 63)
		if !eventName.MatchString(one.Version) || len(one.Version) > 63 {
			v.add(at+".version", "is %q: write at most 63 letters, digits, dashes, dots and underscores", one.Version)
		}
		if other := deployments[one.Name]; other != "" {
			v.add(at+".name", "is %s's: both arms would be the same pods", other)
		}
		if other := services[one.Service]; other != "" {
			v.add(at+".service", "is %s's: both arms would be the same pods", other)
		}
		deployments[one.Name], services[one.Service] = name, name
	}
}
