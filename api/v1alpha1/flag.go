package v1alpha1

import (
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"slices"
)

// Flag answers OpenFeature's remote evaluation protocol (OFREP): applications ask
// which arm a user gets, and run the model themselves. No traffic passes through.
//
// +kubebuilder:validation:XValidation:rule="has(self.tokenFrom)",fieldPath=".tokenFrom",message="is missing: the flag is reachable from all of the cluster. Write name and key of a Secret that holds what callers must present"
type Flag struct {
	// Listen is the address: 127.0.0.1:8016, and beyond this machine it needs
	// tokenFrom; :8016 on a cluster.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([^:]*|[[][0-9a-fA-F:.%]+[]]):(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})$')",message="is no address with a port: write it like :8016"
	Listen string `json:"listen,omitempty"`
	// Key of the flag; the rollout's name unless said otherwise.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$`
	Key string `json:"key,omitempty"`
	// Values are what the flag is worth; the versions' names unless said
	// otherwise.
	Values *FlagValues `json:"values,omitempty"`
	// TokenFrom is what callers must present.
	TokenFrom *SecretFrom `json:"tokenFrom,omitempty"`
	// Fleet is the Deployment that answers, on a cluster.
	Fleet *GatewayFleet `json:"fleet,omitempty"`
}

// FlagValues are two values of one JSON type: text, numbers, true and false, or
// objects.
type FlagValues struct {
	// Stable is what the flag is worth on the version in service.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	Stable json.RawMessage `json:"stable"`
	// Canary is what it is worth on the candidate.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	Canary json.RawMessage `json:"canary"`
}

// DefaultFlagListen is where a flag is asked unless the file says otherwise.
const DefaultFlagListen = "127.0.0.1:8016"

// maxFlagValue bounds a value, in bytes: both are in every table of the gateways.
const maxFlagValue = 16 << 10

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
	if _, err := splitListen(f.Listen); err != nil {
		v.add(path+".flag.listen", "%q: %v: write it like %s", f.Listen, err, DefaultFlagListen)
	} else if v.cluster && f.TokenFrom == nil {
		v.add(path+".flag.tokenFrom", "is missing: the flag is reachable from all of the cluster. Write name and key of a Secret that holds what callers must present")
	} else if !v.cluster && !loopback(f.Listen) && f.TokenFrom == nil {
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
	if v.cluster {
		v.flagSource("spec.analysis.source.prometheus", s.Analysis.Source.Prometheus)
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

// flagSource refuses counts of what does not pass through a flag.
func (v *validator) flagSource(path string, p *Prometheus) {
	if p == nil {
		return
	}
	if p.Preset != "" && p.Preset != "haldane" && p.Preset != "custom" {
		v.add(path+".preset", "is %s, which counts requests, and none passes through a flag: write haldane", p.Preset)
	}
	if p.ArmBy != nil && p.ArmBy.Pod != "" {
		v.add(path+".armBy.pod", "tells the pods of two Deployments apart, and behind a flag there are none: write label")
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
	for name, text := range map[string]json.RawMessage{"stable": x.Stable, "canary": x.Canary} {
		if len(text) > maxFlagValue {
			v.add(path+"."+name, "has %d bytes: at most %d are told", len(text), maxFlagValue)
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

var printable = regexp.MustCompile(`^[ -~]{1,128}$`)

// versions checks what a flag is about on a cluster.
func (v *validator) versions(s *Spec) {
	if s.Workload != nil {
		v.add("spec.workload", "is of models that Haldane runs, and behind a flag the application does: write endpoints, with the versions alone")
	}
	e := s.Endpoints
	if e == nil {
		v.add("spec", "needs endpoints: the versions that the flag is about, like {stable: {version: v1}, canary: {version: v2}}")
		return
	}
	v.elsewhere("spec.endpoints.stable", &e.Stable)
	v.elsewhere("spec.endpoints.canary", &e.Canary)
	if e.Stable.Version != "" && e.Stable.Version == e.Canary.Version {
		v.add("spec.endpoints.canary.version", "is %s, like stable's: give the candidate a version of its own", e.Canary.Version)
	}
	if len(e.Variants) > 0 {
		v.add("spec.endpoints.variants", "are arms of an experiment, and none is by flag: leave them out")
	}
}

// elsewhere refuses what only a server has, of an arm that runs elsewhere.
func (v *validator) elsewhere(path string, e *Endpoint) {
	if e.Version == "" {
		v.add(path+".version", "is missing: name the version, like v1")
	} else if !printable.MatchString(e.Version) {
		v.add(path+".version", "is %q: write at most 128 visible ASCII characters", e.Version)
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
