package appmesh

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	lastPriority = 1000 // a smaller one comes first, none last of all
	maxHeaders   = 10   // of a match
)

type fields = map[string]any

// kinds of route that can be split.
var kinds = []string{"httpRoute", "http2Route", "grpcRoute", "tcpRoute"}

// split returns the routes of base with the one that is split replaced.
func (r *Router) split(base any, s traffic.Split) (any, error) {
	routes, _ := base.([]any)
	at := slices.IndexFunc(routes, r.ours)
	if at < 0 {
		return nil, fmt.Errorf("it has no route %s: correct routing.appMesh.route", r.spec.Route)
	}
	drawn := runtime.DeepCopyJSON(routes[at].(fields))
	kind, body, err := r.body(drawn)
	if err != nil {
		return nil, err
	}
	var forced []any
	for _, f := range []struct {
		suffix string
		ms     []traffic.Match
		canary int64
	}{{"never", s.Never, 0}, {"always", open(s), 100}} {
		for i, m := range f.ms {
			route, err := r.forced(drawn, kind, m, f.canary)
			if err != nil {
				return nil, fmt.Errorf("route %s: %w", r.spec.Route, err)
			}
			route["name"] = fmt.Sprintf("%s-%s-%d", r.spec.Route, f.suffix, i)
			forced = append(forced, route)
		}
	}
	if err := r.rank(routes, at, forced); err != nil {
		return nil, err
	}
	if err := r.aim(body, int64(s.Canary/100)); err != nil {
		return nil, err
	}
	return slices.Concat(routes[:at], forced, []any{drawn}, routes[at+1:]), nil
}

func open(s traffic.Split) []traffic.Match {
	if !s.Open {
		return nil
	}
	return s.Always
}

func (r *Router) ours(route any) bool {
	m, _ := route.(fields)
	return m["name"] == r.spec.Route
}

// body returns the part of a route that its kind names.
func (r *Router) body(route fields) (kind string, body fields, err error) {
	for _, kind := range kinds {
		if body, ok := route[kind].(fields); ok {
			return kind, body, nil
		}
	}
	return "", nil, fmt.Errorf("route %s is of no kind that can be split (%s)", r.spec.Route, strings.Join(kinds, ", "))
}

// forced returns a copy of route with one header more, for one arm alone.
func (r *Router) forced(route fields, kind string, m traffic.Match, canary int64) (fields, error) {
	if kind == "tcpRoute" {
		return nil, fmt.Errorf("%w match headers of TCP", object.ErrCannot)
	}
	list, out := "headers", runtime.DeepCopyJSON(route)
	if kind == "grpcRoute" {
		list = "metadata"
	}
	body := out[kind].(fields)
	match, _ := body["match"].(fields)
	if match == nil {
		match = fields{}
		if kind != "grpcRoute" {
			match["prefix"] = "/"
		}
	}
	headers, _ := match[list].([]any)
	if len(headers) == maxHeaders {
		return nil, fmt.Errorf("it matches %d headers already, and no more are taken", maxHeaders)
	}
	match[list] = append(headers, fields{"name": m.Header.Name, "match": condition(*m.Header)})
	body["match"] = match
	return out, r.aim(body, canary)
}

func condition(f traffic.Field) fields {
	switch {
	case f.Exact != "":
		return fields{"exact": f.Exact}
	case f.Prefix != "":
		return fields{"prefix": f.Prefix}
	case f.Regex != "":
		return fields{"regex": "^(?:" + f.Regex + ")$"}
	}
	return fields{"regex": "^.+$"}
}

// rank gives forced routes the priorities right before that of routes[at].
func (r *Router) rank(routes []any, at int, forced []any) error {
	own, has := priority(routes[at])
	if !has {
		own = lastPriority + 1
	}
	first := own - int64(len(forced))
	for i, route := range forced {
		route.(fields)["priority"] = first + int64(i)
	}
	for i, route := range routes {
		if p, has := priority(route); i != at && has && p >= first && p < own {
			return fmt.Errorf("route %v has priority %d, which always and never need (%d to %d): give it a smaller one", route.(fields)["name"], p, first, own-1)
		}
	}
	if first < 0 {
		return fmt.Errorf("route %s has priority %d, and always and never need %d before it: give it a larger one", r.spec.Route, own, len(forced))
	}
	return nil
}

func priority(route any) (int64, bool) {
	m, _ := route.(fields)
	switch p := m["priority"].(type) {
	case int64:
		return p, true
	case float64:
		return int64(p), true
	}
	return 0, false
}

// aim sets the weights of both arms' nodes, in percent. Nodes of others are
// refused: their share would have to shrink.
func (r *Router) aim(body fields, canary int64) error {
	action, _ := body["action"].(fields)
	targets, _ := action["weightedTargets"].([]any)
	var sample fields
	for _, t := range targets {
		name, known := r.node(t)
		if !known {
			return fmt.Errorf("route %s leads to virtual node %s too: let it lead to %s and %s alone", r.spec.Route, name, r.spec.StableNode, r.spec.CanaryNode)
		}
		if sample == nil || name == r.spec.StableNode {
			sample = t.(fields)
		}
	}
	if sample == nil {
		return fmt.Errorf("route %s leads to no virtual node: let it lead to %s", r.spec.Route, r.spec.StableNode)
	}
	var out []any
	for _, arm := range []struct {
		node   string
		weight int64
	}{{r.spec.StableNode, 100 - canary}, {r.spec.CanaryNode, canary}} {
		target := runtime.DeepCopyJSON(sample)
		target["virtualNodeRef"].(fields)["name"], target["weight"] = arm.node, arm.weight
		out = append(out, target)
	}
	action["weightedTargets"] = out
	return nil
}

// node returns the virtual node of a target, and whether it is an arm's.
func (r *Router) node(target any) (name string, known bool) {
	m, _ := target.(fields)
	ref, _ := m["virtualNodeRef"].(fields)
	name, _ = ref["name"].(string)
	return name, name == r.spec.StableNode || name == r.spec.CanaryNode
}

// share returns the canary's part of the route that is split, and false if it
// cannot be told.
func (r *Router) share(value any) (traffic.Weight, bool) {
	routes, _ := value.([]any)
	at := slices.IndexFunc(routes, r.ours)
	if at < 0 {
		return 0, false
	}
	_, body, err := r.body(routes[at].(fields))
	if err != nil {
		return 0, false
	}
	action, _ := body["action"].(fields)
	targets, _ := action["weightedTargets"].([]any)
	var sum, canary int64
	for _, t := range targets {
		weight, _ := t.(fields)["weight"].(int64)
		sum += weight
		if name, _ := r.node(t); name == r.spec.CanaryNode {
			canary += weight
		}
	}
	if sum == 0 {
		return 0, false
	}
	return traffic.Percent(100 * float64(canary) / float64(sum)), true
}
