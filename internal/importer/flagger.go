package importer

import (
	"fmt"
	"strings"
)

// flagger reads a Canary of flagger.app and the MetricTemplates beside it.
func (d *draft) flagger() error {
	c, err := d.pick("Canary", "flagger.app")
	if err != nil {
		return err
	}
	f := c.field()
	spec := f.get("spec")
	d.name, d.namespace = c.name, f.get("metadata", "namespace").text()
	d.note(f.get("status"), "tells what happened and is no wish: left out")
	target := spec.get("targetRef")
	target.get("apiVersion").text()
	if kind := target.get("kind").text(); kind != "Deployment" {
		return fmt.Errorf("%s spec.targetRef.kind is %q: only Deployments are rolled out", c, kind)
	}
	name := target.get("name").text()
	d.workload.set("name", name)
	d.say(c, "the copy in service was %s-primary; here it is %s-stable, made when the rollout begins. Remove the Canary first: two tools would set the same replicas", name, name)
	d.flaggerService(c, spec.get("service"), name)
	d.flaggerRouter(c, spec)
	if t, ok := spec.get("progressDeadlineSeconds").duration(); ok {
		d.timing.set("readyWithin", span(t))
	}
	d.paused = spec.get("suspend").is()
	if skip := spec.get("skipAnalysis"); skip.is() {
		d.note(skip, "nothing is promoted without evidence; haldane promote --full does it once, in a person's name")
	}
	if spec.get("revertOnDeletion").is() {
		d.onDelete = "Restore"
	}
	d.note(spec.get("autoscalerRef"), "let an autoscaler target the Deployment in service, %s-stable: the candidate gets replicas by its share of traffic", name)
	analysis := spec.get("analysis")
	if !analysis.exists() {
		analysis = spec.get("canaryAnalysis") // its name before v1beta1
	}
	d.flaggerSteps(analysis)
	d.flaggerMetrics(analysis)
	d.flaggerRest(analysis)
	d.count(c)
	return nil
}

// flaggerService reads how the model is exposed.
func (d *draft) flaggerService(c *document, s field, target string) {
	if name := s.get("name").text(); name != "" && name != target {
		d.workload.set("service", name)
	}
	outer, inner := s.get("port"), s.get("targetPort")
	port, ok := inner.number()
	switch {
	case !inner.exists():
		port, ok = outer.number()
	case ok:
		d.note(outer, "the Services of both arms have the ports of the Service %s", target)
	default:
		d.note(inner, "is a port by name: the ports of the Service %s are taken, or the first of the first container", target)
		d.note(outer, "goes with targetPort: left out with it")
	}
	if ok {
		d.workload.set("port", number(port))
	}
	for _, of := range []string{"portName", "appProtocol", "portDiscovery"} {
		d.note(s.get(of), "the Services of both arms have the ports of the Service %s", target)
	}
	for _, of := range []string{"timeout", "retries", "rewrite", "headers", "corsPolicy", "trafficPolicy", "mirror", "backends", "delegation"} {
		d.note(s.get(of), "is no part of a rollout: write it into a route of your own and take that over with adopt: true")
	}
	for _, of := range []string{"primary", "canary", "apex"} {
		d.note(s.get(of), "labels and annotations of the Services: put them there yourself")
	}
}

// flaggerRouter reads where traffic is split.
func (d *draft) flaggerRouter(c *document, spec field) {
	s := spec.get("service")
	provider := spec.get("provider").text()
	ingress := spec.get("ingressRef")
	if provider == "" {
		provider = guessed(s, ingress)
		d.say(c, "spec.provider is missing, and Flagger's own default stands in none of the files: by the other fields it was taken for %s", provider)
	}
	kind, _, _ := strings.Cut(provider, ":")
	switch kind {
	case "istio":
		d.flaggerIstio(c, s)
	case "gatewayapi":
		d.flaggerGatewayAPI(c, s)
	case "nginx":
		ingress.get("apiVersion").text()
		ingress.get("kind").text()
		d.router = entry{"nginx", tree{{"ingress", ingress.get("name").text()}}}
	case "appmesh":
		d.router = entry{"appMesh", tree{{"virtualRouter", c.name}, {"route", c.name}}}
		d.say(c, "App Mesh has ended; the names of its virtual router and route stand in none of the files: %s was written for both, correct them", c.name)
		d.note(s.get("meshName"), "the mesh is that of the virtual router")
	default:
		d.router = entry{"replicas", tree{}}
		if kind != "kubernetes" {
			d.say(c, "spec.provider %s has no router here: traffic is split by numbers of pods, in steps as coarse as their number. If it knows the Gateway API, write routing.gatewayAPI", provider)
		}
	}
	if d.router.key != "istio" {
		if d.router.key != "gatewayAPI" {
			d.note(s.get("hosts"), "this router has no hosts of its own: left out")
			d.note(s.get("gatewayRefs"), "are of the Gateway API, which is not the provider")
		}
		d.note(s.get("gateways"), "are of Istio, which is not the provider")
	}
}

// guessed is the provider that the other fields speak of.
func guessed(s, ingress field) string {
	switch {
	case s.get("gatewayRefs").exists():
		return "gatewayapi:v1"
	case ingress.exists():
		return "nginx"
	case s.get("gateways").exists() || s.get("trafficPolicy").exists() || s.get("hosts").exists():
		return "istio"
	}
	return "kubernetes"
}

func (d *draft) flaggerIstio(c *document, s field) {
	hosts := s.get("hosts").texts()
	if len(hosts) == 0 {
		hosts = []string{c.name}
	}
	t := tree{{"virtualService", c.name}, {"hosts", hosts}}
	t.set("gateways", s.get("gateways").texts())
	d.router = entry{"istio", t}
	d.note(s.get("match"), "the VirtualService that Haldane makes takes every request: write one of your own with these matches and adopt: true")
}

func (d *draft) flaggerGatewayAPI(c *document, s field) {
	t := tree{{"httpRoute", c.name}}
	var gateways []any
	for _, g := range s.get("gatewayRefs").list() {
		ref := flow{{"name", g.get("name").text()}}
		for _, of := range []string{"namespace", "sectionName"} {
			if x := g.get(of).text(); x != "" {
				ref = append(ref, entry{of, x})
			}
		}
		gateways = append(gateways, ref)
	}
	if len(gateways) == 0 {
		t = append(t, entry{"adopt", true})
		d.say(c, "service.gatewayRefs are missing: an HTTPRoute %s of your own is taken over", c.name)
	}
	t.set("gateways", gateways)
	t.set("hostnames", s.get("hosts").texts())
	if m := s.get("match").list(); len(m) == 1 && len(m[0].keys()) == 1 {
		t.set("path", m[0].get("uri", "prefix").text())
	} else if len(m) > 0 {
		d.note(s.get("match"), "a route has one path here: write the HTTPRoute yourself with these matches and adopt: true")
	}
	d.router = entry{"gatewayAPI", t}
}
