package importer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const nginxPrefix = "nginx.ingress.kubernetes.io/"

// manifests reads two Deployments and a route whose weights somebody moves by
// hand: a VirtualService, an HTTPRoute, a canary Ingress, or one Service over
// the pods of both.
func (d *draft) manifests() error {
	all := d.all("Deployment")
	if len(all) != 2 {
		return fmt.Errorf("there are %d Deployments in it: give the two that share the traffic, the one in service and the new one", len(all))
	}
	arms := [2]*document{all[0], all[1]}
	if looksNew(all[0].name) && !looksNew(all[1].name) {
		arms = [2]*document{all[1], all[0]}
	}
	share, err := d.route(&arms)
	if err != nil {
		return err
	}
	stable, canary := arms[0], arms[1]
	d.name, d.namespace = d.options.Name, canary.field().get("metadata", "namespace").text()
	if d.name == "" {
		d.name = common(stable.name, canary.name)
	}
	d.workload = tree{{"name", canary.name}, {"stableName", stable.name}}
	if s := d.service(stable, canary); s != "" {
		d.workload.set("service", s)
	}
	d.workload.set("pair", flow{{"promotion", "Copy"}})
	for i, role := range []string{"is in service, and gets the candidate's pod template when that is promoted (workload.pair)", "is the candidate: edit this one"} {
		arms[i].field().get("spec").taken()
		arms[i].field().get("metadata", "labels").taken()
		d.say(arms[i], "%s", role)
	}
	if share > 0 {
		d.ladder.weight(share)
	}
	for _, w := range []float64{5, 25, 50} {
		if w > share {
			d.ladder.weight(w)
		}
	}
	d.count(canary)
	return nil
}

// looksNew reports whether a name says that its Deployment is the new one.
func looksNew(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "-"), func(s string) bool {
		return s == "canary" || s == "new" || s == "candidate" || s == "green" || s == "v2"
	})
}

// common is the part of two names that both begin with.
func common(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	name := strings.TrimRight(a[:n], "-")
	name = strings.TrimSuffix(name, "-v")
	if name == "" {
		return label(b)
	}
	return name
}

// route finds what splits the traffic, and the candidate's share of it now.
// Where weights say that the other Deployment is the candidate, arms are turned.
func (d *draft) route(arms *[2]*document) (share float64, err error) {
	for _, v := range d.all("VirtualService") {
		if strings.HasPrefix(v.group(), "networking.istio.io") {
			d.router = entry{"istio", tree{{"virtualService", v.name}, {"adopt", true}}}
			var to []destination
			for _, r := range v.field().get("spec", "http").list() {
				to = append(to, destinations(r.get("route"), func(x field) string {
					return x.get("destination", "subset").text() + " " + x.get("destination", "host").text()
				})...)
			}
			return d.adopted(v, to, arms), nil
		}
	}
	if routes := d.all("HTTPRoute"); len(routes) > 0 {
		r := routes[0]
		d.router = entry{"gatewayAPI", tree{{"httpRoute", r.name}, {"adopt", true}}}
		var to []destination
		for _, rule := range r.field().get("spec", "rules").list() {
			to = append(to, destinations(rule.get("backendRefs"), func(x field) string { return x.get("name").text() })...)
		}
		return d.adopted(r, to, arms), nil
	}
	if own, canary := d.ingresses(); own != nil {
		d.router = entry{"nginx", tree{{"ingress", own.name}}}
		return d.canaryIngress(canary), nil
	}
	if d.service(arms[0], arms[1]) != "" {
		d.router = entry{"replicas", tree{}}
		stable, canary := replicas(arms[0]), replicas(arms[1])
		if stable+canary > 0 {
			return float64(int(100*canary/(stable+canary) + 0.5)), nil
		}
		return 0, nil
	}
	return 0, errors.New("nothing in it splits the traffic: give the VirtualService, HTTPRoute or Ingress with the weights, or the Service whose selector fits the pods of both Deployments")
}

// destination is where a share of the traffic goes.
type destination struct {
	name   string
	weight float64
}

func destinations(list field, name func(field) string) []destination {
	var out []destination
	for _, x := range list.list() {
		w, ok := x.get("weight").number()
		if !ok {
			w = 100
		}
		out = append(out, destination{name(x), w})
	}
	return out
}

// adopted takes over a route with its weights.
func (d *draft) adopted(doc *document, to []destination, arms *[2]*document) (share float64) {
	d.note(doc.field().get("spec"), "all of its rules are taken over: weights are set by the rollout from now on, and GitOps tools must be told to ignore them")
	doc.field().get("metadata", "labels").taken()
	for _, x := range d.all("DestinationRule") {
		d.note(x.field().get("spec"), "stays as it is. The destinations are two Services that Haldane makes; to keep subsets, name them stable and canary and write routing.istio.destinationRule")
	}
	if len(to) < 2 {
		return 0
	}
	least := slices.MinFunc(to[:2], func(a, b destination) int { return int(a.weight - b.weight) })
	total := to[0].weight + to[1].weight
	if total <= 0 || least.weight <= 0 {
		return 0
	}
	if share = 100 * least.weight / total; share >= 50 {
		return 0
	}
	// The destination with the least weight is the new one, if its name says which it is.
	if names(least.name, arms[0].name) && !names(least.name, arms[1].name) {
		arms[0], arms[1] = arms[1], arms[0]
	}
	return share
}

// names reports whether a destination speaks of a Deployment: by its name, or by
// the end of it.
func names(destination, deployment string) bool {
	words := strings.FieldsFunc(destination, func(r rune) bool { return r == ' ' || r == '.' })
	tail := deployment[strings.LastIndexByte(deployment, '-')+1:]
	return slices.Contains(words, deployment) || slices.Contains(words, tail)
}

// ingresses are the user's own and the canary beside it.
func (d *draft) ingresses() (own, canary *document) {
	for _, x := range d.all("Ingress") {
		if x.field().get("metadata", "annotations", nginxPrefix+"canary").is() {
			canary = x
		} else {
			own = x
		}
	}
	return own, canary
}

// canaryIngress reads the annotations of a canary Ingress of ingress-nginx.
func (d *draft) canaryIngress(x *document) (share float64) {
	if x == nil {
		return 0
	}
	d.note(x.field().get("spec"), "Haldane makes a canary Ingress of its own: remove this one first")
	a := x.field().get("metadata", "annotations")
	share, _ = a.get(nginxPrefix + "canary-weight").number()
	if total, ok := a.get(nginxPrefix + "canary-weight-total").number(); ok && total > 0 {
		share *= 100 / total
	}
	if name := a.get(nginxPrefix + "canary-by-header").text(); name != "" {
		how := entry{"exact", "always"}
		if v := a.get(nginxPrefix + "canary-by-header-value").text(); v != "" {
			how = entry{"exact", v}
		} else if v := a.get(nginxPrefix + "canary-by-header-pattern").text(); v != "" {
			how = entry{"regex", v}
		}
		d.header(name, how)
	}
	if name := a.get(nginxPrefix + "canary-by-cookie").text(); name != "" {
		d.always = append(d.always, flow{{"cookie", flow{{"name", name}, {"exact", "always"}}}})
	}
	if share >= 100 {
		return 0
	}
	return share
}

// service is the one whose selector fits the pods of both.
func (d *draft) service(a, b *document) string {
	for _, s := range d.all("Service") {
		selector, _ := s.field().get("spec", "selector").v.(map[string]any)
		if len(selector) > 0 && fits(selector, a) && fits(selector, b) {
			s.field().get("spec").taken()
			s.field().get("metadata", "labels").taken()
			d.say(s, "is what clients call, and stays as it is")
			return s.name
		}
	}
	return ""
}

func fits(selector map[string]any, deployment *document) bool {
	labels, _ := deployment.field().get("spec", "template", "metadata", "labels").v.(map[string]any)
	for k := range maps.Keys(selector) {
		if labels[k] != selector[k] {
			return false
		}
	}
	return true
}

func replicas(deployment *document) float64 {
	n, ok := deployment.field().get("spec", "replicas").number()
	if !ok {
		return 1
	}
	return n
}
