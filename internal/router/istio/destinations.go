package istio

import (
	"slices"
	"strings"

	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// none leaves an arm out of a route's destinations.
const none = -1

// ours returns the index of the first destination of route that is split. -1
// if there is none.
func (r *Router) ours(route any) int { return slices.IndexFunc(object.List(route, "route"), r.isOurs) }

func (r *Router) isOurs(weighted any) bool {
	host := r.service(weighted)
	return host != "" && (host == r.rollout.Spec.Workload.Service || host == r.rollout.StableService() || host == r.rollout.CanaryService())
}

// service returns the Service of the rollout's namespace that a destination
// names, "" if it names another thing.
func (r *Router) service(weighted any) string {
	m, _ := weighted.(fields)
	to, _ := m["destination"].(fields)
	host, _ := to["host"].(string)
	name, rest, dotted := strings.Cut(host, ".")
	if !dotted || rest == r.rollout.Namespace || rest == r.rollout.Namespace+".svc" || strings.HasPrefix(rest, r.rollout.Namespace+".svc.") {
		return name
	}
	return ""
}

// destinations returns those of route with both arms in place of what is
// split, in the proportion stable to canary; none leaves an arm out. The share
// of the route's other destinations is kept.
func (r *Router) destinations(route fields, stable, canary int64) []any {
	in, at := object.List(route, "route"), r.ours(route)
	var unit, weight int64 // the greatest common divisor; the sum of ours
	for _, d := range in {
		w := weightOf(d, len(in))
		if unit = object.GCD(unit, w); r.isOurs(d) {
			weight += w
		}
	}
	unit = max(unit, 1)
	var out []any
	add := func(from any, arm traffic.Arm, part int64) {
		if part >= 0 {
			d := clone(from.(fields))
			d["destination"], d["weight"] = r.destination(from, arm), weight/unit*part
			out = append(out, d)
		}
	}
	for i, d := range in {
		switch {
		case i == at:
			add(d, traffic.Stable, stable)
			add(d, traffic.Canary, canary)
		case !r.isOurs(d):
			other := clone(d.(fields))
			other["weight"] = weightOf(d, len(in)) / unit * (max(stable, 0) + max(canary, 0))
			out = append(out, other)
		}
	}
	return out
}

// destination returns that of an arm: a Service, or a subset of the workload's
// with the host as it was written.
func (r *Router) destination(from any, arm traffic.Arm) fields {
	to, _ := from.(fields)["destination"].(fields)
	out := clone(to)
	if r.subsets != nil {
		if r.service(from) != r.rollout.Spec.Workload.Service {
			out["host"] = r.rollout.Spec.Workload.Service
		}
		out["subset"] = arm.String()
		return out
	}
	delete(out, "subset")
	out["host"] = r.rollout.StableService()
	if arm == traffic.Canary {
		out["host"] = r.rollout.CanaryService()
	}
	return out
}

// weightOf returns the weight of one of n destinations: one alone needs none.
func weightOf(weighted any, n int) int64 {
	m, _ := weighted.(fields)
	switch w := m["weight"].(type) {
	case int64:
		return w
	case float64:
		return int64(w)
	}
	if n == 1 {
		return 1
	}
	return 0
}

// share returns the part of what is split that goes to the canary, and false
// if the routes disagree or none says.
func (r *Router) share(routes []any) (traffic.Weight, bool) {
	found, result := false, traffic.Weight(0)
	for _, route := range routes {
		var sum, canary int64
		in := object.List(route, "route")
		for _, d := range in {
			if !r.isOurs(d) {
				continue
			}
			w := weightOf(d, len(in))
			sum += w
			to, _ := d.(fields)["destination"].(fields)
			if to["subset"] == traffic.Canary.String() || r.service(d) == r.rollout.CanaryService() {
				canary += w
			}
		}
		if sum == 0 {
			continue
		}
		w := traffic.Percent(100 * float64(canary) / float64(sum))
		if found && w != result {
			return 0, false
		}
		found, result = true, w
	}
	return result, found
}
