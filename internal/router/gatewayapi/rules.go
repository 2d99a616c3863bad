package gatewayapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// What the Gateway API takes at most.
const (
	maxRules   = 16
	maxMatches = 64  // of a rule
	maxTotal   = 128 // matches of a route
	maxHeaders = 16  // of a match
	maxWeight  = 1_000_000
)

// none leaves an arm out of a rule's backends.
const none = -1

type fields = map[string]any

// own returns the spec of a route of Haldane's own.
func (r *Router) own(s traffic.Split, port int32) (any, error) {
	var parents []any
	for _, g := range r.spec.Gateways {
		ref := fields{"group": gatewayGroup, "kind": "Gateway", "name": g.Name}
		if g.Namespace != "" {
			ref["namespace"] = g.Namespace
		}
		if g.SectionName != "" {
			ref["sectionName"] = g.SectionName
		}
		parents = append(parents, ref)
	}
	rule := fields{"backendRefs": []any{fields{
		"group": "", "kind": "Service", "name": r.rollout.StableService(), "port": int64(port),
	}}}
	if r.kind == HTTPRoute {
		rule["matches"] = []any{fields{"path": fields{"type": "PathPrefix", "value": r.spec.Path}}}
	}
	rules, err := r.split([]any{rule}, s)
	if err != nil {
		return nil, err
	}
	spec := fields{"parentRefs": parents, "rules": rules}
	if len(r.spec.Hostnames) > 0 {
		names := make([]any, len(r.spec.Hostnames))
		for i, n := range r.spec.Hostnames {
			names[i] = n
		}
		spec["hostnames"] = names
	}
	return spec, nil
}

// adopted returns the rules of a user's route, split.
func (r *Router) adopted(base any, s traffic.Split) (any, error) {
	rules, _ := base.([]any)
	out, err := r.split(rules, s)
	if err != nil {
		return nil, err
	}
	if len(out) == len(rules) && !slices.ContainsFunc(rules, func(rule any) bool { return r.ours(rule) >= 0 }) {
		return nil, fmt.Errorf("no rule sends requests to service %s: name the service under workload.service, or leave adopt out",
			r.rollout.Spec.Workload.Service)
	}
	return out, nil
}

// split returns rules with those for s in place of each that is split.
func (r *Router) split(rules []any, s traffic.Split) ([]any, error) {
	var out []any
	for i, rule := range rules {
		made := []any{rule}
		if r.ours(rule) >= 0 {
			var err error
			if made, err = r.splitRule(rule.(fields), s); err != nil {
				return nil, fmt.Errorf("rules[%d]: %w", i, err)
			}
		}
		out = append(out, made...)
	}
	total := 0
	for _, rule := range out {
		n := len(object.List(rule, "matches"))
		if total += n; n > maxMatches {
			return nil, fmt.Errorf("always and never make %d matches of one rule, which takes %d: write fewer", n, maxMatches)
		}
	}
	if len(out) > maxRules || total > maxTotal {
		return nil, fmt.Errorf("always and never make %d rules with %d matches, and a route takes %d and %d: write fewer",
			len(out), total, maxRules, maxTotal)
	}
	return out, nil
}

// splitRule returns the rules that stand for one: never and always come before
// the split, as the first of equally specific rules wins.
func (r *Router) splitRule(rule fields, s traffic.Split) ([]any, error) {
	var out []any
	add := func(suffix string, ms []traffic.Match, stable, canary int64) error {
		forced, err := r.forced(rule, suffix, ms)
		if err != nil {
			return err
		}
		if forced["backendRefs"], err = r.backends(rule, stable, canary); err != nil {
			return err
		}
		out = append(out, forced)
		return nil
	}
	if len(s.Never) > 0 {
		if err := add("never", s.Never, 1, none); err != nil {
			return nil, err
		}
	}
	if s.Open && len(s.Always) > 0 {
		if err := add("always", s.Always, none, 1); err != nil {
			return nil, err
		}
	}
	drawn := clone(rule)
	stable, canary := object.Shares(s.Canary)
	refs, err := r.backends(rule, stable, canary)
	if err != nil {
		return nil, err
	}
	drawn["backendRefs"] = refs
	if s.Mirror > 0 {
		drawn["filters"] = append(slices.Clone(object.List(rule, "filters")), r.mirror(rule, s.Mirror))
	}
	return append(out, drawn), nil
}

// forced returns rule with one more header in each of its matches.
func (r *Router) forced(rule fields, suffix string, ms []traffic.Match) (fields, error) {
	bases := object.List(rule, "matches")
	if len(bases) == 0 {
		bases = []any{fields{}}
		if r.kind == HTTPRoute {
			bases = []any{fields{"path": fields{"type": "PathPrefix", "value": "/"}}}
		}
	}
	var matches []any
	for _, base := range bases {
		for _, m := range ms {
			header, err := headerMatch(m)
			if err != nil {
				return nil, err
			}
			match := clone(base.(fields))
			headers := object.List(match, "headers")
			if slices.ContainsFunc(headers, func(h any) bool { return strings.EqualFold(text(h, "name"), text(header, "name")) }) {
				return nil, fmt.Errorf("it matches header %s already, which always or never need: leave one out", text(header, "name"))
			}
			if len(headers) == maxHeaders {
				return nil, fmt.Errorf("it matches %d headers already, and no more are taken", maxHeaders)
			}
			match["headers"] = append(slices.Clone(headers), header)
			matches = append(matches, match)
		}
	}
	out := clone(rule)
	out["matches"] = matches
	if name := text(rule, "name"); name != "" {
		out["name"] = name + "-" + suffix
	}
	return out, nil
}

// headerMatch returns what the Gateway API calls m. A cookie is a header.
func headerMatch(m traffic.Match) (fields, error) {
	switch {
	case m.Header != nil:
		value, isRegex := object.Pattern(*m.Header)
		kind := "Exact"
		if isRegex {
			kind = "RegularExpression"
		}
		return fields{"type": kind, "name": m.Header.Name, "value": value}, nil
	case m.Cookie != nil:
		return fields{"type": "RegularExpression", "name": "Cookie", "value": object.CookiePattern(*m.Cookie)}, nil
	}
	return nil, errors.New("a match is by header or cookie")
}

// mirror returns the filter that copies a share of a rule's requests.
func (r *Router) mirror(rule fields, share traffic.Weight) fields {
	refs := object.List(rule, "backendRefs")
	first := refs[r.ours(rule)]
	ref := fields{"group": "", "kind": "Service", "name": r.rollout.CanaryService()}
	if port, ok := first.(fields)["port"]; ok {
		ref["port"] = port
	}
	copies := fields{"backendRef": ref}
	switch whole := share % 100; {
	case share == traffic.Full: // the default, and all that older data planes know
	case whole == 0:
		copies["percent"] = int64(share / 100)
	default:
		copies["fraction"] = fields{"numerator": int64(share), "denominator": int64(traffic.Full)}
	}
	return fields{"type": "RequestMirror", "requestMirror": copies}
}

func clone(m fields) fields { return runtime.DeepCopyJSON(m) }

// text returns the string called key of v, "" if there is none.
func text(v any, key string) string {
	m, _ := v.(fields)
	s, _ := m[key].(string)
	return s
}
