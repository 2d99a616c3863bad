package importer

import (
	"fmt"
	"strings"
)

// flaggerSteps reads how traffic moves.
func (d *draft) flaggerSteps(a field) {
	most, ok := a.get("maxWeight").number()
	if !ok {
		most = 100
	}
	step, stepped := a.get("stepWeight").number()
	weights := a.get("stepWeights").list()
	switch {
	case len(weights) > 0:
		d.note(a.get("maxWeight"), "goes with stepWeight; stepWeights were taken")
		d.note(a.get("stepWeight"), "stepWeights were taken instead")
		for _, w := range weights {
			if n, ok := w.number(); ok {
				if reason := d.ladder.weight(n); reason != "" {
					d.note(w, "%s", reason)
				}
			}
		}
	case stepped && step > 0:
		for w := step; w <= most; w += step {
			if reason := d.ladder.weight(w); reason != "" {
				d.note(a.get("stepWeight"), "at %s%% %s", trim(w), reason)
				break
			}
		}
	default:
		d.ladder.defaults()
		d.note(a.get("maxWeight"), "goes with stepWeight, which is missing: the default steps 5, 25, 50, 100 are taken")
	}
	d.note(a.get("stepWeightPromotion"), "promotion moves all traffic at once, when the last gate has passed")
	d.note(a.get("iterations"), "a step has no number of rounds: it lasts until the evidence is there, and is taken back as soon as the contrary is. "+
		"Where no weights are given the default steps 5, 25, 50, 100 are taken")
	d.note(a.get("interval"), "a step lasts as long as its evidence takes: there is no fixed rhythm of steps")
	d.note(a.get("threshold"), "failed checks are not counted: evidence decides, with at most 1%% of healthy rollouts taken back (falseRollbackProbability)")
	for _, of := range []string{"primaryReadyThreshold", "canaryReadyThreshold"} {
		d.note(a.get(of), "readiness is that of the Deployment")
	}
}

// flaggerMetrics reads what is compared.
func (d *draft) flaggerMetrics(a field) {
	for _, m := range a.get("metrics").list() {
		name := m.get("name").text()
		d.note(m.get("interval"), "blocks of counts are two scrapes long, and all of them are judged together")
		limits := m.get("thresholdRange")
		template, query := m.get("templateRef"), m.get("query")
		switch {
		case template.exists():
			d.flaggerTemplate(m, name)
		case query.exists():
			d.note(query, "one number of a query has no twin to be compared with: write the raw counters behind it under analysis.source.prometheus.series")
			d.note(limits, "a limit of that query: left out with it")
		case name == "request-success-rate":
			as := d.metric("errors", "errorRate", flow{})
			d.note(limits, "instead of an absolute limit, metric %s: the candidate's share of failed requests against stable's at the same time, at most 1.25 times as high plus 0.1 points", as)
		case name == "request-duration":
			d.duration(m, limits)
		default:
			d.note(limits, "%s is no metric that is known: left out", name)
		}
		d.note(m.get("threshold"), "the older form of thresholdRange, an absolute limit: left out")
		d.note(m.get("templateVariables"), "variables of a query: left out with it")
	}
}

// duration reads the limit of Flagger's own latency metric, in milliseconds.
func (d *draft) duration(m, limits field) {
	limit := limits.get("max")
	if ms, ok := limit.number(); ok && ms > 0 {
		as := d.metric("latency", "latency", flow{{"maxOver", flow{{trim(ms) + "ms", "1pp"}}}})
		d.note(limit, "metric %s: the share of requests over this time may be at most 1 point above stable's", as)
		return
	}
	as := d.metric("latency", "latency", flow{})
	d.note(limits, "metric %s: p50 at most 10%% and p99 at most 25%% longer than stable's", as)
}

// flaggerTemplate reads a metric by a MetricTemplate.
func (d *draft) flaggerTemplate(m field, name string) {
	ref := m.get("templateRef")
	want := ref.get("name").text()
	ref.get("namespace").text()
	told := fmt.Sprintf("metric %s by template %s: one number of a query has no twin to be compared with. Write the raw counters behind it under analysis.source.prometheus.series, or a metric of labels (outcome) if it is one of quality", name, want)
	d.note(m.get("thresholdRange"), "%s", told)
	for _, t := range d.all("MetricTemplate") {
		if t.name != want || t.group() != "flagger.app" {
			continue
		}
		p := t.field().get("spec", "provider")
		switch kind := p.get("type").text(); kind {
		case "prometheus":
			d.address = strings.TrimRight(p.get("address").text(), "/")
			d.note(p.get("secretRef"), "if the server wants a token, write analysis.source.prometheus.tokenFrom")
			d.note(p.get("insecureSkipVerify"), "certificates are verified")
		default:
			d.note(p, "counts come from Prometheus: %s is none", kind)
		}
		d.note(t.field().get("spec", "query"), "%s", told)
	}
}

// flaggerRest reads matches, mirrors, hooks and messages.
func (d *draft) flaggerRest(a field) {
	d.flaggerMatch(a.get("match"))
	for _, of := range []string{"mirror", "mirrorWeight"} {
		d.note(a.get(of), "copies of requests are compared by Haldane's own gateway alone: write routing.gateway, a step {shadow: {percent: 100}} and a metric of pairs")
	}
	d.note(a.get("sessionAffinity"), "users stay on their arm with routing.stickyBy, which needs Haldane's own gateway: left out")
	for _, w := range a.get("webhooks").list() {
		d.flaggerHook(w)
	}
	for _, x := range a.get("alerts").list() {
		d.flaggerAlert(x)
	}
}

// flaggerMatch reads the requests of an A/B test.
func (d *draft) flaggerMatch(match field) {
	if !match.exists() {
		return
	}
	if d.router.key == "replicas" {
		d.note(match, "numbers of pods cannot tell requests apart: left out")
		return
	}
	for _, m := range match.list() {
		headers := m.get("headers")
		if len(headers.keys()) != 1 {
			d.note(m, "a match of several conditions at once, or of none on a header: left out")
			continue
		}
		for _, name := range headers.keys() {
			how, ok := condition(headers.get(name))
			if !ok || d.router.key == "nginx" && len(d.always) > 0 {
				d.note(headers.get(name), "is no match that this router has: left out")
				continue
			}
			d.header(name, how)
			d.note(headers.get(name), "these requests always go to the candidate (routing.always). They were not sent by chance, so they are no evidence: what is compared is the random share of the steps")
		}
		for _, of := range m.keys() {
			if of != "headers" {
				d.note(m.get(of), "only headers are matched: left out")
			}
		}
	}
}
