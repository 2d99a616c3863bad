package importer

import (
	"fmt"
	"slices"
	"strings"
)

// argoSteps reads the steps of a canary.
func (d *draft) argoSteps(steps field) {
	for _, s := range steps.list() {
		switch keys := s.keys(); {
		case slices.Contains(keys, "setWeight"):
			w, _ := s.get("setWeight").number()
			if w == 0 {
				d.note(s, "a weight of 0 is where every rollout begins: left out")
			} else if reason := d.ladder.weight(w); reason != "" {
				d.note(s.get("setWeight"), "%s", reason)
			}
		case slices.Contains(keys, "pause"):
			d.argoPause(s.get("pause"))
		case slices.Contains(keys, "analysis"):
			d.argoAnalysis(s.get("analysis"))
		case slices.Contains(keys, "setCanaryScale"):
			d.argoScale(s.get("setCanaryScale"))
		case slices.Contains(keys, "setHeaderRoute"):
			d.argoHeader(s.get("setHeaderRoute"))
		case slices.Contains(keys, "setMirrorRoute"):
			d.note(s, "copies of requests are compared by Haldane's own gateway alone: write routing.gateway, a step {shadow: {percent: 100}} and a metric of pairs")
		case slices.Contains(keys, "experiment"):
			d.note(s, "both versions are compared in every step; nothing runs beside the rollout: left out")
		default:
			d.note(s, "is no step that is known: left out")
		}
	}
	if d.ladder.gates == 0 && !steps.exists() {
		d.ladder.defaults()
		d.say(steps.doc, "without steps the new version would take over pod by pod: the default steps 5, 25, 50, 100 were written")
	}
}

func (d *draft) argoPause(p field) {
	t, ok := p.get("duration").duration()
	if !ok && p.get("duration").exists() {
		d.note(p.get("duration"), "is no time: a pause that a person ends was written")
	}
	if len(p.keys()) == 0 {
		p.taken()
	}
	if reason := d.ladder.pause(t); reason != "" {
		d.note(p, "%s", reason)
	} else if t > 0 {
		d.notes = append(d.notes, Note{p.doc.String(), p.path, "a time that only passes proves nothing; the step before it is left when its evidence is there, and the pause comes on top. Remove it if the time was meant for looking"})
	}
}

// argoScale reads the numbers of the candidate's pods.
func (d *draft) argoScale(s field) {
	n, ok := s.get("replicas").number()
	switch {
	case ok && n > 0 && !slices.ContainsFunc(d.workload, func(e entry) bool { return e.key == "replicas" }):
		d.workload.set("replicas", flow{{"by", "Fixed"}, {"count", number(n)}})
		d.note(s, "the candidate has this number of pods in every step (workload.replicas)")
	case s.get("matchTrafficWeight").is():
	default:
		d.note(s, "the candidate's pods are one number for all steps, or by its share of traffic: left out")
	}
}

// argoHeader reads requests that all go to the candidate.
func (d *draft) argoHeader(s field) {
	if d.router.key == "replicas" {
		d.note(s, "numbers of pods cannot tell requests apart: left out")
		return
	}
	s.get("name").text()
	for _, m := range s.get("match").list() {
		name := m.get("headerName").text()
		how, ok := condition(m.get("headerValue"))
		if name == "" || !ok || d.router.key == "nginx" && len(d.always) > 0 {
			d.note(m, "is no match that this router has: left out")
			continue
		}
		d.header(name, how)
		d.note(m, "these requests go to the candidate from the first step on (routing.always). They were not sent by chance, so they are no evidence")
	}
}

// argoAnalysis reads what is measured, by templates.
func (d *draft) argoAnalysis(a field) {
	if !a.exists() {
		return
	}
	d.note(a.get("startingStep"), "everything is compared from the first step on")
	args := map[string]string{}
	for _, arg := range a.get("args").list() {
		if v := arg.get("value").text(); v != "" {
			args[arg.get("name").text()] = v
		}
		d.note(arg, "an argument: its value was written where it stood, if it is known")
	}
	for _, of := range []string{"measurementRetention", "analysisRunMetadata", "dryRun"} {
		d.note(a.get(of), "has no equal: left out")
	}
	for _, t := range a.get("templates").list() {
		t.get("clusterScope").text()
		name := t.get("templateName").text()
		found := false
		for _, doc := range d.docs {
			if (doc.kind == "AnalysisTemplate" || doc.kind == "ClusterAnalysisTemplate") && doc.name == name {
				found = true
				d.argoTemplate(doc, args)
			}
		}
		if !found {
			d.note(t, "template %s is in none of the files: what it measures is unknown here", name)
		}
	}
}

// argoTemplate reads one template, once, with the arguments of who uses it.
func (d *draft) argoTemplate(doc *document, args map[string]string) {
	spec := doc.field().get("spec")
	if doc.seen["spec.metrics"] {
		return
	}
	known := func(name string) (string, bool) {
		v, ok := args[strings.TrimPrefix(name, "args.")]
		return v, ok && strings.HasPrefix(name, "args.")
	}
	for _, arg := range spec.get("args").list() {
		name, v := arg.get("name").text(), arg.get("value").text()
		if _, given := args[name]; !given && v != "" {
			args[name] = v
		}
		d.note(arg, "an argument: its value was written where it stood, if it is known")
	}
	for _, m := range spec.get("metrics").list() {
		name := m.get("name").text()
		d.note(m.get("provider"), "metric %s: %s", name, d.argoMetric(m, known))
		for _, of := range m.keys() {
			if of != "name" && of != "provider" {
				d.note(m.get(of), "goes with metric %s", name)
			}
		}
	}
	spec.get("metrics").taken()
	for _, of := range []string{"dryRun", "measurementRetention", "templates"} {
		d.note(spec.get(of), "has no equal: left out")
	}
}

// argoMetric makes a guardrail of a metric, or says why not.
func (d *draft) argoMetric(m field, known func(string) (string, bool)) string {
	provider := m.get("provider")
	p := provider.get("prometheus")
	if !p.exists() {
		return fmt.Sprintf("is asked of %s: left out. Write a guardrail whose from is json, datadog, cloudWatch or influxDB, or a hook", strings.Join(provider.keys(), ", "))
	}
	address, missing := filled(strings.TrimRight(p.get("address").text(), "/"), known)
	if missing != "" {
		return fmt.Sprintf("the value of %s in its address is not in the files: left out", missing)
	}
	if d.address == "" {
		d.address = address
	}
	l := limited{name: m.get("name").text(), address: address}
	if l.query, missing = filled(p.get("query").text(), known); missing != "" || l.query == "" {
		return fmt.Sprintf("the value of %s is not in the files: left out. Write a guardrail with the query and its limit", orName(missing, "the query"))
	}
	var ok bool
	if c := m.get("successCondition").text(); c != "" {
		l.min, l.max, ok = limitsOf(c, false)
	} else {
		l.min, l.max, ok = limitsOf(m.get("failureCondition").text(), true)
	}
	if !ok {
		return "its condition is no single limit of one number: left out. Write a guardrail with min or max"
	}
	if t, ok := m.get("interval").duration(); ok && t > 0 {
		l.every = span(t)
	}
	if p.get("authentication").exists() {
		d.note(p.get("authentication"), "if the server wants a token, write analysis.source.prometheus.tokenFrom")
	}
	return told(d.guard(l))
}
