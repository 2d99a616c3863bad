package istio

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

type fields = map[string]any

// own returns the spec of a VirtualService of Haldane's own.
func (r *Router) own(s traffic.Split, port int32) (any, error) {
	to := fields{"host": r.rollout.StableService()}
	if port != 0 {
		to["port"] = fields{"number": int64(port)}
	}
	http, err := r.split([]any{fields{"name": "split", "route": []any{fields{"destination": to}}}}, s)
	if err != nil {
		return nil, err
	}
	return fields{"hosts": texts(r.spec.Hosts), "gateways": texts(r.spec.Gateways), "http": http}, nil
}

// adopted returns the http routes of a user's VirtualService, split.
func (r *Router) adopted(base any, s traffic.Split) (any, error) {
	routes, _ := base.([]any)
	if !slices.ContainsFunc(routes, func(route any) bool { return r.ours(route) >= 0 }) {
		return nil, fmt.Errorf("no http route leads to service %s: name the service under workload.service, or leave adopt out",
			r.rollout.Spec.Workload.Service)
	}
	return r.split(routes, s)
}

// split returns routes with those for s in place of each that is split.
func (r *Router) split(routes []any, s traffic.Split) ([]any, error) {
	var out []any
	for i, route := range routes {
		if r.ours(route) < 0 {
			out = append(out, route)
			continue
		}
		made, err := r.splitRoute(route.(fields), s)
		if err != nil {
			return nil, fmt.Errorf("http[%d]: %w", i, err)
		}
		out = append(out, made...)
	}
	return out, nil
}

func (r *Router) splitRoute(route fields, s traffic.Split) ([]any, error) {
	var out []any
	if len(s.Never) > 0 {
		never, err := forced(route, "never", s.Never)
		if err != nil {
			return nil, err
		}
		never["route"] = r.destinations(route, 1, none)
		out = append(out, never)
	}
	if s.Open && len(s.Always) > 0 {
		always, err := forced(route, "always", s.Always)
		if err != nil {
			return nil, err
		}
		always["route"] = r.destinations(route, none, 1)
		out = append(out, always)
	}
	drawn := clone(route)
	stable, canary := object.Shares(s.Canary)
	drawn["route"] = r.destinations(route, stable, canary)
	if s.Mirror > 0 {
		if route["mirror"] != nil || route["mirrors"] != nil {
			return nil, errors.New("it copies requests already: leave shadow steps out, or the route's mirror")
		}
		drawn["mirror"] = r.destination(object.List(route, "route")[r.ours(route)], traffic.Canary)
		drawn["mirrorPercentage"] = fields{"value": s.Mirror.Share() * 100}
	}
	return append(out, drawn), nil
}

// forced returns route with one more header in each of its matches.
func forced(route fields, suffix string, ms []traffic.Match) (fields, error) {
	bases := object.List(route, "match")
	if len(bases) == 0 {
		bases = []any{fields{}}
	}
	var matches []any
	for _, base := range bases {
		for _, m := range ms {
			name, condition, err := headerMatch(m)
			if err != nil {
				return nil, err
			}
			match := clone(base.(fields))
			headers, _ := match["headers"].(fields)
			if headers == nil {
				headers = fields{}
			}
			for taken := range headers {
				if strings.EqualFold(taken, name) {
					return nil, fmt.Errorf("it matches header %s already, which always or never need: leave one out", name)
				}
			}
			headers[name] = condition
			match["headers"] = headers
			matches = append(matches, match)
		}
	}
	out := clone(route)
	out["match"] = matches
	if name, ok := route["name"].(string); ok && name != "" {
		out["name"] = name + "-" + suffix
	}
	return out, nil
}

// headerMatch returns what Istio calls m. A cookie is a header. Names of
// headers are in lower case there.
func headerMatch(m traffic.Match) (name string, condition fields, err error) {
	switch {
	case m.Header != nil && m.Header.Prefix != "":
		return strings.ToLower(m.Header.Name), fields{"prefix": m.Header.Prefix}, nil
	case m.Header != nil:
		value, isRegex := object.Pattern(*m.Header)
		kind := "exact"
		if isRegex {
			kind = "regex"
		}
		return strings.ToLower(m.Header.Name), fields{kind: value}, nil
	case m.Cookie != nil:
		return "cookie", fields{"regex": object.CookiePattern(*m.Cookie)}, nil
	}
	return "", nil, errors.New("a match is by header or cookie")
}

func clone(m fields) fields { return runtime.DeepCopyJSON(m) }

func texts(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}
