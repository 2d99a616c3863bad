package gatewayapi

import (
	"fmt"
	"slices"

	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// ours returns the index of the first backend of rule that is split: the
// user's Service or one of the arms'. -1 if there is none.
func (r *Router) ours(rule any) int {
	return slices.IndexFunc(object.List(rule, "backendRefs"), r.isOurs)
}

func (r *Router) isOurs(ref any) bool {
	if g, k := text(ref, "group"), text(ref, "kind"); g != "" || k != "" && k != "Service" {
		return false
	}
	if ns := text(ref, "namespace"); ns != "" && ns != r.rollout.Namespace {
		return false
	}
	name := text(ref, "name")
	return name == r.rollout.Spec.Workload.Service || name == r.rollout.StableService() || name == r.rollout.CanaryService()
}

// backends returns the backends of rule with both arms in place of those that
// are split, in the proportion stable to canary. A negative one leaves that arm
// out. The share of the rule's other backends is kept.
func (r *Router) backends(rule fields, stable, canary int64) ([]any, error) {
	refs := object.List(rule, "backendRefs")
	at := r.ours(rule)
	var unit, weight int64 // the greatest common divisor; the sum of ours
	for _, ref := range refs {
		w := weightOf(ref)
		if unit = object.GCD(unit, w); r.isOurs(ref) {
			weight += w
		}
	}
	unit = max(unit, 1)
	var out []any
	for i, ref := range refs {
		switch {
		case i == at:
			if stable >= 0 {
				out = append(out, arm(ref, r.rollout.StableService(), weight/unit*stable))
			}
			if canary >= 0 {
				out = append(out, arm(ref, r.rollout.CanaryService(), weight/unit*canary))
			}
		case !r.isOurs(ref):
			other := clone(ref.(fields))
			other["weight"] = weightOf(ref) / unit * (max(stable, 0) + max(canary, 0))
			out = append(out, other)
		}
	}
	for _, ref := range out {
		if w := weightOf(ref); w > maxWeight {
			return nil, fmt.Errorf("backend %s needs a weight of %d for so fine a split, and %d is the most: round the weights of the rule or of the step",
				text(ref, "name"), w, maxWeight)
		}
	}
	return out, nil
}

func arm(ref any, service string, weight int64) fields {
	out := clone(ref.(fields))
	out["group"], out["kind"] = "", "Service"
	out["name"], out["weight"] = service, weight
	return out
}

// weightOf returns the weight of a backend, 1 where none is written.
func weightOf(ref any) int64 {
	m, _ := ref.(fields)
	switch w := m["weight"].(type) {
	case int64:
		return w
	case float64:
		return int64(w)
	}
	return 1
}

// share returns the part of what is split that goes to the canary, and false
// if the rules disagree or none says.
func (r *Router) share(rules []any) (traffic.Weight, bool) {
	found, result := false, traffic.Weight(0)
	for _, rule := range rules {
		var sum, canary int64
		for _, ref := range object.List(rule, "backendRefs") {
			if !r.isOurs(ref) {
				continue
			}
			w := weightOf(ref)
			if sum += w; text(ref, "name") == r.rollout.CanaryService() {
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
