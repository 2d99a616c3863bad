package v1alpha1

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// Validate returns everything that is wrong with a defaulted document, with
// paths and without lines. An empty result means it can be run in local mode.
func (m *ModelRollout) Validate() []Problem { return m.validate(&validator{}) }

func (m *ModelRollout) validate(v *validator) []Problem {
	if m.APIVersion != APIVersion {
		v.add("apiVersion", "is %q: write %s", m.APIVersion, APIVersion)
	}
	if m.Kind != Kind {
		v.add("kind", "is %q: write %s", m.Kind, Kind)
	}
	if !dnsLabel.MatchString(m.Name) || len(m.Name) > 63 {
		v.add("metadata.name", "is %q: write a name of lower-case letters, digits and dashes, at most 63", m.Name)
	}
	v.what(&m.Spec)
	v.strategy(&m.Spec)
	v.routing(&m.Spec.Routing)
	v.flag(&m.Spec)
	v.inference(&m.Spec)
	v.analysis(&m.Spec)
	v.hooks("spec.hooks", m.Spec.Hooks)
	v.toggle("spec.switch", m.Spec.Switch)
	v.notifications("spec.notifications", m.Spec.Notifications)
	return v.problems
}

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

type validator struct {
	cluster  bool // the document is a custom resource
	problems []Problem
}

func (v *validator) add(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// one demands that exactly one of the named alternatives is present.
func (v *validator) one(path string, present map[string]bool, order ...string) bool {
	var have []string
	for _, name := range order {
		if present[name] {
			have = append(have, name)
		}
	}
	switch len(have) {
	case 1:
		return true
	case 0:
		v.add(path, "needs one of %s", strings.Join(order, ", "))
	default:
		v.add(join(path, have[1]), "contradicts %s: keep exactly one of %s", have[0], strings.Join(have, ", "))
	}
	return false
}

func (v *validator) what(s *Spec) {
	if v.cluster {
		v.onCluster(s)
		return
	}
	v.localOnly(s)
	if !v.one("spec", map[string]bool{"workload": s.Workload != nil, "endpoints": s.Endpoints != nil}, "endpoints", "workload") {
		return
	}
	if s.Endpoints == nil {
		v.add("spec.workload", "names a Deployment on a cluster, where haldane controller carries the rollout out: apply the file there, or write endpoints")
		return
	}
	stable, canary := &s.Endpoints.Stable, &s.Endpoints.Canary
	check := v.endpoint
	if s.Routing.Flag != nil {
		check = v.elsewhere
	}
	check("spec.endpoints.stable", stable)
	check("spec.endpoints.canary", canary)
	if stable.Version != "" && stable.Version == canary.Version {
		v.add("spec.endpoints.canary.version", "is %s, like stable's: give the candidate a version of its own", canary.Version)
	}
	v.variants(s.Endpoints, s.Strategy.Experiment)
	if stable.URL != "" && stable.URL == canary.URL {
		v.add("spec.endpoints.canary.url", "is stable's: both arms would be the same server")
	}
}

func (v *validator) endpoint(path string, e *Endpoint) {
	if e.Version == "" {
		v.add(path+".version", "is missing: name the version, like v1")
	}
	if e.URL == "" && len(e.Command) == 0 {
		v.add(path, "needs a url (a server that runs) or a command (one that haldane starts)")
	}
	if len(e.Command) > 0 && strings.TrimSpace(e.Command[0]) == "" {
		v.add(path+".command[0]", "is empty: write the program to start")
	}
	if e.URL != "" {
		u, err := url.Parse(e.URL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			v.add(path+".url", "%q is no address of a server: write it like http://127.0.0.1:9001", e.URL)
		} else if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			v.add(path+".url", "has more than scheme, host, port and path: leave the rest out")
		}
	}
	if e.Liveness != nil && len(e.Command) == 0 {
		v.add(path+".liveness", "restarts a process, and haldane starts none for a url: leave it out, or write command")
	}
	if e.Readiness.GRPC && e.Readiness.Path != "" {
		v.add(path+".readiness.path", "contradicts grpc: keep one of them")
	}
}

func (v *validator) routing(r *Routing) {
	const path = "spec.routing"
	present := map[string]bool{
		"gateway": r.Gateway != nil, "gatewayAPI": r.GatewayAPI != nil, "istio": r.Istio != nil,
		"nginx": r.Nginx != nil, "appMesh": r.AppMesh != nil, "replicas": r.Replicas != nil, "flag": r.Flag != nil,
	}
	if v.one(path, present, "gateway", "gatewayAPI", "istio", "nginx", "appMesh", "replicas", "flag") {
		v.router(path, r)
	}
	if r.Gateway != nil {
		v.gateway(path+".gateway", r.Gateway)
	}
	if s := r.StickyBy; s != nil {
		v.one(path+".stickyBy", map[string]bool{"header": s.Header != "", "cookie": s.Cookie != ""}, "header", "cookie")
	}
	cohorts := map[string]bool{}
	for i, c := range r.Cohorts {
		at := fmt.Sprintf("%s.cohorts[%d]", path, i)
		if c.Name == "" || cohorts[c.Name] {
			v.add(at+".name", "is %q: give each cohort a name of its own", c.Name)
		}
		cohorts[c.Name] = true
		v.cohort(at, c)
	}
	if c := r.Country; c != nil {
		v.country(path+".country", c)
		if c.Header != "" && r.Gateway != nil && len(r.Gateway.TrustedProxies) == 0 {
			v.add(path+".country.header", "would be believed from anybody: name who may set it under gateway.trustedProxies")
		}
	}
	v.matches(path+".always", r.Always, r, cohorts)
	v.matches(path+".never", r.Never, r, cohorts)
}

func (v *validator) gateway(path string, g *Gateway) {
	if _, err := splitListen(g.Listen); err != nil {
		v.add(path+".listen", "%q: %v: write it like 127.0.0.1:8080", g.Listen, err)
	}
	if !strings.HasPrefix(g.FeedbackPath, "/") {
		v.add(path+".feedbackPath", "%q is no path: write it like /feedback", g.FeedbackPath)
	}
	if g.EventsPath != "" && !strings.HasPrefix(g.EventsPath, "/") {
		v.add(path+".eventsPath", "%q is no path: write it like /events", g.EventsPath)
	}
	if g.EventsPath == g.FeedbackPath {
		v.add(path+".eventsPath", "is that of feedback: choose another")
	}
	for i, p := range g.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			v.add(fmt.Sprintf("%s.trustedProxies[%d]", path, i), "%q is no network: write it like 10.0.0.0/8", p)
		}
	}
	l := g.Limits
	for name, n := range map[string]int{"headerBytes": l.HeaderBytes, "mirrorBodyBytes": l.MirrorBodyBytes,
		"readBodyBytes": l.ReadBodyBytes, "concurrent": l.Concurrent} {
		if n < 0 {
			v.add(path+".limits."+name, "is negative")
		}
	}
}

func (v *validator) matches(path string, ms []Match, r *Routing, cohorts map[string]bool) {
	for i, m := range ms {
		at := fmt.Sprintf("%s[%d]", path, i)
		v.one(at, map[string]bool{"header": m.Header != nil, "cookie": m.Cookie != nil,
			"country": len(m.Country) > 0, "cohort": m.Cohort != ""}, "header", "cookie", "country", "cohort")
		v.field(at+".header", m.Header)
		v.field(at+".cookie", m.Cookie)
		for j, c := range m.Country {
			if !country.MatchString(c) {
				v.add(fmt.Sprintf("%s.country[%d]", at, j), "%q is no country: write two capital letters (ISO 3166-1), like NL", c)
			}
		}
		if len(m.Country) > 0 && r.Country == nil && r.Flag == nil {
			v.add(at+".country", "cannot be known: say under routing.country which database or header tells it")
		}
		if m.Cohort != "" && !cohorts[m.Cohort] {
			v.add(at+".cohort", "%q is not defined: list it under routing.cohorts", m.Cohort)
		}
		if m.Cohort != "" && r.StickyBy == nil && r.Flag == nil {
			v.add(at+".cohort", "needs routing.stickyBy, which says where a request's key is found")
		}
	}
}

var country = regexp.MustCompile(`^[A-Z]{2}$`)

func (v *validator) field(path string, f *FieldMatch) {
	if f == nil {
		return
	}
	if f.Name == "" {
		v.add(path+".name", "is missing")
	}
	n := 0
	for _, s := range []string{f.Exact, f.Prefix, f.Regex} {
		if s != "" {
			n++
		}
	}
	if n > 1 {
		v.add(path, "has more than one of exact, prefix, regex: keep one")
	}
	if _, err := regexp.Compile(f.Regex); err != nil {
		v.add(path+".regex", "%v", err)
	}
}

func (v *validator) inference(s *Spec) {
	in := &s.Inference
	if in.Threshold < 0 || in.Threshold > 1 {
		v.add("spec.inference.threshold", "is %s: write a probability between 0 and 1", trim(in.Threshold))
	}
	if s.Routing.Gateway == nil && (in.Threshold != defaultThreshold || len(in.Classes) > 0 || in.Expr != "") {
		v.add("spec.inference", "tells how Haldane's gateway reads predictions, and none passes through it: write routing.gateway, or leave it out")
	}
}
