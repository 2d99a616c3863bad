package v1alpha1

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
)

// Flag answers OpenFeature's remote evaluation protocol (OFREP): applications ask
// which arm a user gets, and run the model themselves. No traffic passes through.
type Flag struct {
	// Listen is the address, 127.0.0.1:8016 unless said otherwise; beyond this
	// machine it needs tokenFrom.
	Listen string `json:"listen,omitempty"`
	// Key of the flag; the rollout's name unless said otherwise.
	Key string `json:"key,omitempty"`
	// Values are what the flag is worth; the versions' names unless said
	// otherwise.
	Values *FlagValues `json:"values,omitempty"`
	// TokenFrom is what callers must present.
	TokenFrom *SecretFrom `json:"tokenFrom,omitempty"`
}

// FlagValues are two values of one JSON type.
type FlagValues struct {
	Stable json.RawMessage `json:"stable"`
	Canary json.RawMessage `json:"canary"`
}

// DefaultFlagListen is where a flag is asked unless the file says otherwise.
const DefaultFlagListen = "127.0.0.1:8016"

func (f *Flag) setDefaults(name string) {
	if f.Listen == "" {
		f.Listen = DefaultFlagListen
	}
	if f.Key == "" {
		f.Key = name
	}
}

// flag checks what a rollout by flag has, and what it cannot have.
func (v *validator) flag(s *Spec) {
	const path = "spec.routing"
	f, r := s.Routing.Flag, &s.Routing
	if f == nil {
		return
	}
	if v.cluster {
		v.add(path+".flag", "is answered in local mode (haldane run) alone: on a cluster write gateway")
		return
	}
	if _, err := splitListen(f.Listen); err != nil {
		v.add(path+".flag.listen", "%q: %v: write it like %s", f.Listen, err, DefaultFlagListen)
	} else if !loopback(f.Listen) && f.TokenFrom == nil {
		v.add(path+".flag.listen", "%q is reachable from other machines: write tokenFrom, or listen on 127.0.0.1", f.Listen)
	}
	v.secret(path+".flag.tokenFrom", f.TokenFrom)
	if !eventName.MatchString(f.Key) || len(f.Key) > 253 {
		v.add(path+".flag.key", "is %q: write letters, digits, dots, dashes and underscores", f.Key)
	}
	v.flagValues(path+".flag.values", f.Values)
	if r.StickyBy != nil {
		v.add(path+".stickyBy", "is the targetingKey of a flag's context, always: leave it out")
	}
	if r.Country != nil {
		v.add(path+".country", "is the attribute country of a flag's context, always: leave it out")
	}
	for i := range s.Analysis.Metrics {
		v.byFlag(fmt.Sprintf("spec.analysis.metrics[%d]", i), &s.Analysis.Metrics[i])
	}
	if len(s.Analysis.Metrics) == 0 {
		v.add("spec.analysis.metrics", "are missing: nothing passes through a flag, so only what comes back can be compared: write {name: conversion, mean: {of: conversion, event: NAME, maxDecrease: 0.01}}, or a mean of event or feedback")
	}
	if c := s.Strategy.Canary; c != nil && slices.ContainsFunc(c.Steps, func(s Step) bool { return s.Shadow != nil }) {
		v.add("spec.strategy.canary.steps", "mirror requests, and none passes through a flag: leave the shadow step out")
	}
	if s.Strategy.Canary == nil {
		v.add("spec.strategy", "must be canary: a flag is not asked by others in this version")
	}
	if s.Analysis.Load != nil {
		v.add("spec.analysis.load", "sends requests through the split, and none passes through a flag: leave it out")
	}
	if len(s.Analysis.Checks) > 0 {
		v.add("spec.analysis.checks", "ask the candidate's server, and Haldane knows of none behind a flag: leave them out")
	}
}

// byFlag refuses metrics of what a flag does not see.
func (v *validator) byFlag(path string, m *Metric) {
	switch {
	case m.Mean != nil && (m.Mean.Of == "event" || m.Mean.Of == "conversion" || m.Mean.Of == "feedback"):
	case m.Outcome != nil:
		v.add(path+".outcome", "needs to know what was predicted, and a flag is asked before that: send whether it was right as an event, and write mean: {of: conversion, event: right, maxDecrease: 0.01}")
	default:
		v.add(path, "is of requests and answers, and none passes through a flag: write a mean of conversion, event or feedback")
	}
}

func (v *validator) flagValues(path string, x *FlagValues) {
	if x == nil {
		return
	}
	stable, canary := jsonType(x.Stable), jsonType(x.Canary)
	for name, t := range map[string]string{"stable": stable, "canary": canary} {
		if t == "" {
			v.add(path+"."+name, "must be text, a number, true, false, or an object")
		}
	}
	if stable != canary && stable != "" && canary != "" {
		v.add(path+".canary", "is %s, and stable's %s: an application asks for one type", canary, stable)
	}
	if stable == canary && string(x.Stable) == string(x.Canary) && stable != "" {
		v.add(path+".canary", "is stable's: nobody could tell the arms apart")
	}
}

// jsonType names what a flag may be worth, "" if text is nothing of the kind.
func jsonType(text json.RawMessage) string {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return ""
	}
	switch v.(type) {
	case string:
		return "text"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case map[string]any:
		return "an object"
	}
	return ""
}

// loopback reports whether an address is of this machine alone.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// elsewhere refuses what only a server has, of an arm that runs elsewhere.
func (v *validator) elsewhere(path string, e *Endpoint) {
	if e.Version == "" {
		v.add(path+".version", "is missing: name the version, like v1")
	}
	for name, set := range map[string]bool{
		"url": e.URL != "", "command": len(e.Command) > 0, "env": len(e.Env) > 0, "dir": e.Dir != "",
		"readiness": e.Readiness != nil, "liveness": e.Liveness != nil, "stopGrace": e.StopGrace != nil,
	} {
		if set {
			v.add(path+"."+name, "is of a server, and behind a flag the application runs the model: write version alone")
		}
	}
}
