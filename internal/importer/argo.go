package importer

import (
	"fmt"
	"strings"
)

// argo reads a Rollout of argoproj.io and the AnalysisTemplates beside it.
func (d *draft) argo() error {
	r, err := d.pick("Rollout", "argoproj.io")
	if err != nil {
		return err
	}
	f := r.field()
	spec := f.get("spec")
	d.name, d.namespace = r.name, f.get("metadata", "namespace").text()
	d.note(f.get("status"), "tells what happened and is no wish: left out")
	if err := d.argoWorkload(r, spec); err != nil {
		return err
	}
	d.paused = spec.get("paused").is()
	if t, ok := spec.get("progressDeadlineSeconds").duration(); ok && t > 0 {
		d.timing.set("readyWithin", span(t))
	}
	d.note(spec.get("progressDeadlineAbort"), "a candidate that is not ready within readyWithin is taken back")
	d.note(spec.get("rollbackWindow"), "a version that served before is compared like any other; haldane promote --full skips the gates in a person's name")
	d.note(spec.get("restartAt"), "restart the Deployment")
	d.note(spec.get("analysis"), "how much history is kept is not set here")
	canary, blueGreen := spec.get("strategy", "canary"), spec.get("strategy", "blueGreen")
	switch {
	case blueGreen.exists():
		d.argoBlueGreen(r, blueGreen)
	default:
		d.argoRouter(r, canary.get("trafficRouting"))
		d.argoCanary(r, canary) // its arguments are the steps' too
		d.argoSteps(canary.get("steps"))
	}
	d.count(r)
	return nil
}

// argoWorkload reads what is rolled out.
func (d *draft) argoWorkload(r *document, spec field) error {
	ref := spec.get("workloadRef")
	ref.get("apiVersion").text()
	name := ref.get("name").text()
	if ref.exists() {
		if kind := ref.get("kind").text(); kind != "Deployment" {
			return fmt.Errorf("%s spec.workloadRef.kind is %q: only Deployments are rolled out", r, kind)
		}
		d.note(ref.get("scaleDown"), "the Deployment is the candidate itself: it has pods while there is one")
	} else {
		name = r.name
		d.note(spec.get("template"), "a Rollout holds the pods itself; here they are those of a Deployment %s: make one with this template, selector and number of replicas", name)
	}
	d.workload.set("name", name)
	for _, of := range []string{"template", "selector", "replicas", "minReadySeconds", "revisionHistoryLimit"} {
		d.note(spec.get(of), "belongs to the Deployment %s", name)
	}
	return nil
}

// argoRouter reads where traffic is split. With several, the first that is
// known here is taken.
func (d *draft) argoRouter(r *document, t field) {
	d.router = entry{"replicas", tree{}}
	if !t.exists() {
		return
	}
	istio, nginx, mesh, gateway := t.get("istio"), t.get("nginx"), t.get("appMesh"), t.get("plugins", "argoproj-labs/gatewayAPI")
	switch {
	case istio.exists():
		d.argoIstio(istio)
	case nginx.exists():
		d.argoNginx(nginx)
	case gateway.exists():
		d.argoGatewayAPI(gateway)
	case mesh.exists():
		d.argoAppMesh(r, mesh)
	default:
		d.say(r, "spec.strategy.canary.trafficRouting has no router that is known here: traffic is split by numbers of pods, in steps as coarse as their number. If it knows the Gateway API, write routing.gatewayAPI")
	}
	d.note(t.get("managedRoutes"), "the routes are Haldane's as long as a rollout runs")
	d.note(t.get("maxTrafficWeight"), "weights are percentages")
	for _, of := range t.keys() {
		if x := t.get(of); !x.doc.touched(x.path) {
			d.note(x, "traffic is split in one place: left out")
		}
	}
}

func (d *draft) argoIstio(t field) {
	services := t.get("virtualServices").list()
	if one := t.get("virtualService"); one.exists() {
		services = append([]field{one}, services...)
	}
	for i, s := range services {
		if i > 0 {
			d.note(s, "one VirtualService is set, the first: left out")
			continue
		}
		d.router = entry{"istio", tree{{"virtualService", s.get("name").text()}, {"adopt", true}}}
		d.note(s.get("routes"), "all http routes of the VirtualService are taken over")
		d.note(s.get("tlsRoutes"), "only http routes are split")
		d.note(s.get("tcpRoutes"), "only http routes are split")
	}
	d.note(t.get("destinationRule"), "the destinations are the Services of stable and of the candidate, which Haldane makes: no subsets are needed")
}

func (d *draft) argoNginx(t field) {
	names := t.get("stableIngresses").list()
	if one := t.get("stableIngress"); one.exists() {
		names = append([]field{one}, names...)
	}
	for i, n := range names {
		if i > 0 {
			d.note(n, "one Ingress is split, the first: left out")
			continue
		}
		d.router = entry{"nginx", tree{{"ingress", n.text()}}}
	}
	d.note(t.get("annotationPrefix"), "the annotations are those of ingress-nginx")
	more := t.get("additionalIngressAnnotations")
	if name := more.get("canary-by-header").text(); name != "" {
		how := entry{"exact", "always"}
		if value := more.get("canary-by-header-value").text(); value != "" {
			how = entry{"exact", value}
		}
		d.header(name, how)
	}
	if name := more.get("canary-by-cookie").text(); name != "" {
		d.always = append(d.always, flow{{"cookie", flow{{"name", name}, {"exact", "always"}}}})
	}
}

func (d *draft) argoGatewayAPI(t field) {
	names := t.get("httpRoutes").list()
	name := t.get("httpRoute").text()
	if name == "" && len(names) > 0 {
		name = names[0].get("name").text()
		names = names[1:]
	}
	for _, n := range names {
		d.note(n, "one route is split, the first: left out")
	}
	kind := "httpRoute"
	if grpc := t.get("grpcRoute").text(); name == "" && grpc != "" {
		kind, name = "grpcRoute", grpc
	}
	if ns := t.get("namespace").text(); ns != "" && ns != d.namespace {
		d.note(t.get("namespace"), "the route is looked for in the namespace of the rollout")
	}
	d.router = entry{"gatewayAPI", tree{{kind, name}, {"adopt", true}}}
}

func (d *draft) argoAppMesh(r *document, t field) {
	s := t.get("virtualService")
	name := s.get("name").text()
	route := name
	for i, x := range s.get("routes").list() {
		if i == 0 {
			route = x.text()
		} else {
			d.note(x, "one route is split, the first: left out")
		}
	}
	m := tree{{"virtualRouter", name}, {"route", route}}
	m.set("stableNode", t.get("virtualNodeGroup", "stableVirtualNodeRef", "name").text())
	m.set("canaryNode", t.get("virtualNodeGroup", "canaryVirtualNodeRef", "name").text())
	d.router = entry{"appMesh", m}
	d.say(r, "App Mesh has ended; the name of the virtual router behind %s stands in none of the files: that of the virtual service was written, correct it", name)
}

// argoCanary reads what is beside the steps.
func (d *draft) argoCanary(r *document, c field) {
	for _, of := range []string{"canaryService", "stableService"} {
		d.note(c.get(of), "Haldane makes the Services %s-stable and %s-canary", d.workloadName(), d.workloadName())
	}
	if t, ok := c.get("scaleDownDelaySeconds").duration(); ok {
		d.timing.set("scaleDownDelay", span(t))
	}
	if t, ok := c.get("abortScaleDownDelaySeconds").duration(); ok {
		d.note(c.get("abortScaleDownDelaySeconds"), "the delay (%s) is the same after a promotion and after a rollback: scaleDownDelay", span(t))
	}
	for _, of := range []string{"maxSurge", "maxUnavailable"} {
		d.note(c.get(of), "the candidate gets pods by its share of traffic, beside all of stable (workload.order: Surge)")
	}
	for _, of := range []string{"canaryMetadata", "stableMetadata", "antiAffinity", "pingPong"} {
		d.note(c.get(of), "pods are those of the Deployments' own templates: left out")
	}
	d.note(c.get("dynamicStableScale"), "stable keeps all its replicas, so that a rollback finds room; workload.order: Swap trades pod for pod")
	d.note(c.get("minPodsPerReplicaSet"), "write workload.replicas if one pod is too few for the candidate")
	d.note(c.get("scaleDownDelayRevisionLimit"), "there is one candidate at a time")
	d.argoAnalysis(c.get("analysis"))
}

// argoBlueGreen reads a switch. Argo makes it by the selector of a Service, which
// cannot hold any traffic back to compare with: Haldane's gateway can.
func (d *draft) argoBlueGreen(r *document, b field) {
	d.router = entry{"gateway", tree{}}
	d.say(r, "the switch is made by Haldane's own gateway: lead what calls %s to the Service %s-gateway. 5%% of the requests stay on the version before until the end of the bake, to be compared with", orName(b.get("activeService").text(), "the active Service"), d.workloadName())
	var preview, strategy tree
	if t, ok := b.get("autoPromotionSeconds").duration(); ok && t > 0 {
		preview.set("for", span(t))
		d.note(b.get("autoPromotionSeconds"), "the preview lasts at least as long (preview.for)")
	}
	strategy.set("preview", preview)
	if x := b.get("autoPromotionEnabled"); x.exists() && !x.is() {
		strategy.set("approve", true)
	}
	d.blueGreen = &strategy
	d.note(b.get("previewService"), "the candidate is previewed at the Service %s-canary", d.workloadName())
	if t, ok := b.get("scaleDownDelaySeconds").duration(); ok {
		d.timing.set("scaleDownDelay", span(t))
	}
	d.note(b.get("scaleDownDelayRevisionLimit"), "there is one candidate at a time")
	for _, of := range []string{"previewReplicaCount", "maxUnavailable"} {
		d.note(b.get(of), "the candidate has all its pods before the switch, and stable until it is over")
	}
	for _, of := range []string{"activeMetadata", "previewMetadata", "antiAffinity"} {
		d.note(b.get(of), "pods are those of the Deployments' own templates: left out")
	}
	d.note(b.get("abortScaleDownDelaySeconds"), "the delay is the same after a promotion and after a rollback: scaleDownDelay")
	for _, of := range []string{"prePromotionAnalysis", "postPromotionAnalysis"} {
		if b.get(of).exists() {
			d.say(r, "what %s measures is watched from the beginning of the rollout to its end", of)
		}
		d.argoAnalysis(b.get(of))
	}
}

func orName(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

func (d *draft) workloadName() string {
	for _, e := range d.workload {
		if e.key == "name" {
			return strings.TrimSpace(fmt.Sprint(e.value))
		}
	}
	return d.name
}
