package v1alpha1

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
)

// LoadCluster is Load for a document that haldane controller is to carry out:
// what it refuses is what the custom resource's schema refuses, and more
// legibly.
func LoadCluster(name string, r io.Reader) (*ModelRollout, error) {
	return read(name, r, (*ModelRollout).DefaultCluster, (*ModelRollout).ValidateCluster)
}

// ValidateCluster returns everything that is wrong with a document for a
// cluster, defaulted by DefaultCluster.
func (m *ModelRollout) ValidateCluster() []Problem { return m.validate(&validator{cluster: true}) }

// localOnly refuses what only the controller can do.
func (v *validator) localOnly(s *Spec) {
	if s.Paused {
		v.add("spec.paused", "is of a rollout on a cluster: here use haldane pause")
	}
	if s.OnDelete != "" {
		v.add("spec.onDelete", "is of a rollout on a cluster: leave it out")
	}
	if s.Routing.AllowDirect != nil {
		v.add("spec.routing.allowDirect", "is of a rollout on a cluster: leave it out")
	}
	if g := s.Routing.Gateway; g != nil && g.Fleet != nil {
		v.add("spec.routing.gateway.fleet", "is of a rollout on a cluster: leave it out")
	}
	if f := s.Routing.Flag; f != nil && f.Fleet != nil {
		v.add("spec.routing.flag.fleet", "is of a rollout on a cluster: leave it out")
	}
}

// onCluster checks what is rolled out on a cluster.
func (v *validator) onCluster(s *Spec) {
	if s.OnDelete != "" {
		v.of("spec.onDelete", s.OnDelete, OnDeleteRestore, OnDeleteKeep)
	}
	if s.Routing.Flag != nil {
		v.versions(s)
		return
	}
	if s.Endpoints != nil {
		v.add("spec.endpoints", "are of a rollout on one machine (haldane run), or of a flag: on a cluster write workload")
	}
	w := s.Workload
	if w == nil {
		v.add("spec", "needs workload: the Deployment that is rolled out")
		return
	}
	v.workload("spec.workload", w)
	v.workloadVariants("spec.workload.variants", s)
	if i := s.Routing.Istio; i != nil && i.DestinationRule != "" && w.Pair == nil {
		v.add("spec.routing.istio.destinationRule", "makes subsets of a pair of Deployments: write workload.pair, or leave it out")
	}
	if s.Routing.Gateway == nil && hasPairs(s.Analysis.Metrics) {
		v.add("spec.analysis.metrics", "pairs are compared by Haldane's gateway alone: write routing.gateway, or leave the metric out")
	}
}

func hasPairs(ms []Metric) bool {
	return slices.ContainsFunc(ms, func(m Metric) bool { return m.Pairs != nil })
}

// object refuses what is no name of an object of Kubernetes.
func (v *validator) object(path, name string, most int) {
	if !dnsLabel.MatchString(name) || len(name) > most {
		v.add(path, "is %q: write a name of lower-case letters, digits and dashes, at most %d", name, most)
	}
}

func (v *validator) workload(path string, w *Workload) {
	v.of(path+".kind", w.Kind, "Deployment")
	v.object(path+".name", w.Name, 54) // names made of it get a suffix
	v.object(path+".stableName", w.StableName, 63)
	if w.Service != "" {
		v.object(path+".service", w.Service, 63)
	}
	if w.StableName == w.Name {
		v.add(path+".stableName", "is the candidate's: stable is a Deployment of its own")
	}
	if w.Port < 0 || w.Port > 65535 {
		v.add(path+".port", "is %d: write a number from 1 to 65535", w.Port)
	}
	if w.Pair != nil {
		v.of(path+".pair.promotion", w.Pair.Promotion, "Copy", "Traffic")
	}
	v.of(path+".order", w.Order, "Surge", "Swap")
	r := w.Replicas
	v.of(path+".replicas.by", r.By, "Share", "Fixed", "One")
	if (r.By == "Fixed") != (r.Count != 0) || r.Count < 0 {
		v.add(path+".replicas.count", "goes with by: Fixed and with nothing else: write both or neither")
	}
	if t := w.Track; t != nil {
		v.names(path+".track.configMaps", t.ConfigMaps)
		v.names(path+".track.secrets", t.Secrets)
	}
}

func (v *validator) names(path string, names []string) {
	seen := map[string]bool{}
	for i, n := range names {
		if n == "" || seen[n] {
			v.add(fmt.Sprintf("%s[%d]", path, i), "is %q: name each once", n)
		}
		seen[n] = true
	}
}

// router refuses a router of the other mode, and what one cannot do.
func (v *validator) router(path string, r *Routing) {
	if !v.cluster {
		for _, x := range []struct {
			name string
			set  bool
		}{{"gatewayAPI", r.GatewayAPI != nil}, {"istio", r.Istio != nil}, {"nginx", r.Nginx != nil},
			{"appMesh", r.AppMesh != nil}, {"replicas", r.Replicas != nil}} {
			if x.set {
				v.add(path+"."+x.name, "is a router of a cluster, where haldane controller sets it: apply the file there, or write gateway")
			}
		}
		return
	}
	if r.Gateway == nil && r.Flag == nil && (r.StickyBy != nil || r.Country != nil || len(r.Cohorts) > 0) {
		v.add(path, "stickyBy, country and cohorts need Haldane's gateway: write gateway, or leave them out")
	}
	switch {
	case r.GatewayAPI != nil:
		v.gatewayAPI(path+".gatewayAPI", r.GatewayAPI)
	case r.Istio != nil:
		v.istio(path+".istio", r.Istio)
	case r.Nginx != nil:
		v.required(path+".nginx.ingress", r.Nginx.Ingress)
		if count(r.Always, isHeader) > 1 || count(r.Always, isCookie) > 1 {
			v.add(path+".always", "nginx takes one header and one cookie")
		}
	case r.AppMesh != nil:
		v.required(path+".appMesh.virtualRouter", r.AppMesh.VirtualRouter)
		v.required(path+".appMesh.route", r.AppMesh.Route)
		if count(r.Always, isCookie)+count(r.Never, isCookie) > 0 {
			v.add(path+".appMesh", "cannot match cookies: match a header, or choose another router")
		}
	case r.Replicas != nil && len(r.Always)+len(r.Never) > 0:
		v.add(path+".replicas", "cannot tell requests apart: leave always and never out, or choose another router")
	case r.Gateway != nil && r.Gateway.Fleet != nil:
		v.fleet(path+".gateway.fleet", r.Gateway.Fleet)
	case r.Flag != nil && r.Flag.Fleet != nil:
		v.fleet(path+".flag.fleet", r.Flag.Fleet)
	}
}

func (v *validator) fleet(path string, f *GatewayFleet) {
	if f.Replicas < 0 {
		v.add(path+".replicas", "is negative")
	}
	v.object(path+".service", f.Service, 63)
}

func isHeader(m Match) bool { return m.Header != nil }
func isCookie(m Match) bool { return m.Cookie != nil }

func count(ms []Match, is func(Match) bool) (n int) {
	for _, m := range ms {
		if is(m) {
			n++
		}
	}
	return n
}

func (v *validator) required(path, name string) {
	if name == "" {
		v.add(path, "is missing")
	}
}

func (v *validator) gatewayAPI(path string, g *GatewayAPI) {
	v.one(path, map[string]bool{"httpRoute": g.HTTPRoute != "", "grpcRoute": g.GRPCRoute != ""}, "httpRoute", "grpcRoute")
	switch {
	case g.Adopt && (len(g.Gateways) > 0 || len(g.Hostnames) > 0 || g.Path != ""):
		v.add(path+".adopt", "takes over a route as it is: leave gateways, hostnames and path out")
	case !g.Adopt && len(g.Gateways) == 0:
		v.add(path+".gateways", "are missing: name the Gateway that the route is attached to, or adopt: true to take over a route that exists")
	}
	for i, ref := range g.Gateways {
		v.required(fmt.Sprintf("%s.gateways[%d].name", path, i), ref.Name)
	}
	if g.Path != "" && g.GRPCRoute != "" {
		v.add(path+".path", "is of an HTTPRoute: leave it out for a GRPCRoute")
	} else if g.Path != "" && g.Path[0] != '/' {
		v.add(path+".path", "%q is no path: write it like /churn", g.Path)
	}
}

func (v *validator) istio(path string, i *Istio) {
	v.required(path+".virtualService", i.VirtualService)
	switch {
	case i.Adopt && (len(i.Hosts) > 0 || len(i.Gateways) > 0):
		v.add(path+".adopt", "takes over a VirtualService as it is: leave hosts and gateways out")
	case !i.Adopt && len(i.Hosts) == 0:
		v.add(path+".hosts", "are missing: name the hosts that clients call, or adopt: true to take over a VirtualService that exists")
	}
}

func (v *validator) cohort(path string, c Cohort) {
	if v.cluster && c.File != "" {
		v.add(path+".file", "is a file on one machine: on a cluster write keys")
		return
	}
	v.one(path, map[string]bool{"keys": len(c.Keys) > 0, "file": c.File != ""}, "keys", "file")
}

func (v *validator) country(path string, c *Country) {
	if v.cluster && c.Database != "" {
		v.add(path+".database", "is a file on one machine: on a cluster write header")
		return
	}
	v.one(path, map[string]bool{"database": c.Database != "", "header": c.Header != ""}, "database", "header")
}

var seriesParts = []string{"total", "bad", "buckets", "classes", "sum", "squares", "pairs", "disagree"}

// source checks where the counts come from.
func (v *validator) source(path string, s *Source) {
	if !v.cluster {
		if s.Prometheus != nil {
			v.add(path+".prometheus", "is the source of a cluster: in local mode the gateway counts by itself; leave source out")
		}
		return
	}
	if s.Gateway != nil {
		v.add(path+".gateway", "counts in one process: on a cluster write prometheus, with preset: haldane for Haldane's gateway")
	}
	p := s.Prometheus
	if p == nil {
		v.add("spec.analysis", "needs source.prometheus: on a cluster the counts come from there")
		return
	}
	path += ".prometheus"
	if u, err := url.Parse(p.Address); err != nil || !address.MatchString(p.Address) || u.User != nil {
		v.add(path+".address", "%q is no address of a server: write it like http://prometheus.monitoring:9090", p.Address)
	}
	if p.Preset != "" {
		v.of(path+".preset", p.Preset, "istio", "traefik", "nginx", "kserve", "triton", "vllm", "seldon", "bentoml", "haldane", "model", "custom")
	}
	if (p.Preset == "" || p.Preset == "custom") && len(p.Series) == 0 {
		v.add(path+".series", "are missing: name a preset, or say for each metric which series hold it")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Series)) {
		for _, part := range slices.Sorted(maps.Keys(p.Series[name])) {
			if !slices.Contains(seriesParts, part) || p.Series[name][part] == "" {
				v.add(path+".series."+name, "has a part that is none: write total, bad, buckets, classes, sum, squares, pairs or disagree")
			}
		}
	}
	if a := p.ArmBy; a != nil {
		v.one(path+".armBy", map[string]bool{"pod": a.Pod != "", "label": a.Label != ""}, "pod", "label")
		if a.Label == "" && (a.Stable != "" || a.Canary != "") {
			v.add(path+".armBy", "has values of a label, and no label")
		}
	}
	if o := p.Outage; o.Then != "" {
		v.of(path+".outage.then", o.Then, "Hold", "Rollback")
	}
	if t := p.TokenFrom; t != nil {
		v.required(path+".tokenFrom.name", t.Name)
		v.required(path+".tokenFrom.key", t.Key)
	}
}

// address is that of a server with a path, and nothing else.
var address = regexp.MustCompile(`^https?://[^\s/?#@]+(/[^\s?#]*)?$`)
