package importer

import (
	"strings"
	"time"
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
	case a.get("iterations").exists() && len(weights) == 0 && !stepped && !a.get("match").exists():
		d.flaggerSwitch(a)
		return
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
	d.flaggerPace(a)
}

// flaggerPace tells what is not counted in rounds.
func (d *draft) flaggerPace(a field) {
	d.note(a.get("interval"), "a step lasts as long as its evidence takes: there is no fixed rhythm of steps")
	d.note(a.get("threshold"), "failed checks are not counted: evidence decides, with at most 1%% of healthy rollouts taken back (falseRollbackProbability)")
	for _, of := range []string{"primaryReadyThreshold", "canaryReadyThreshold"} {
		d.note(a.get(of), "readiness is that of the Deployment")
	}
}

// flaggerSwitch reads a blue-green deployment: rounds of checks without weights.
// Numbers of pods cannot switch at once, so that Haldane's gateway stands in.
func (d *draft) flaggerSwitch(a field) {
	if d.router.key == "replicas" {
		d.router = entry{"gateway", tree{}}
		d.say(a.doc, "the switch is made by Haldane's own gateway: lead what calls the model to the Service %s-gateway", d.workloadName())
	}
	var preview, strategy tree
	rounds, _ := a.get("iterations").number()
	every, ok := a.get("interval").duration()
	if !ok {
		every = time.Minute
	}
	if t := time.Duration(rounds) * every; t > 0 {
		preview.set("for", span(t))
	}
	d.note(a.get("iterations"), "the preview lasts as long as these rounds (preview.for). Then all requests but 5%% are switched, and both versions are compared before the last of them are")
	strategy.set("preview", preview)
	d.blueGreen = &strategy
	d.flaggerPace(a)
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
			d.flaggerQuery(m, query, "")
		case name == "request-success-rate":
			as := d.metric("errors", "errorRate", flow{})
			d.note(limits, "instead of an absolute limit, metric %s: the candidate's share of failed requests against stable's at the same time, at most 1.25 times as high plus 0.1 points", as)
		case name == "request-duration":
			d.duration(m, limits)
		default:
			d.note(limits, "%s is no metric that is known: left out", name)
		}
		d.note(m.get("threshold"), "the older form of thresholdRange, an absolute limit: left out")
		d.note(m.get("templateVariables"), "variables of a query: their values were written where they stood")
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
	for _, t := range d.all("MetricTemplate") {
		if t.name != want || t.group() != "flagger.app" {
			continue
		}
		p := t.field().get("spec", "provider")
		query := t.field().get("spec", "query")
		if kind := p.get("type").text(); kind != "prometheus" {
			d.note(p, "metric %s is asked of %s: left out. Write a guardrail whose from is json, datadog, cloudWatch or influxDB, or a hook", name, kind)
			d.note(query, "goes with it")
			d.note(m.get("thresholdRange"), "goes with it")
			return
		}
		address := strings.TrimRight(p.get("address").text(), "/")
		if d.address == "" {
			d.address = address
		}
		d.note(p.get("secretRef"), "if the server wants a token, write analysis.source.prometheus.tokenFrom")
		d.note(p.get("insecureSkipVerify"), "certificates are verified")
		d.flaggerQuery(m, query, address)
		return
	}
	d.note(m.get("thresholdRange"), "metric %s: template %s is in none of the files: what it measures is unknown here", name, want)
}

// flaggerQuery makes a guardrail of a query and its limits.
func (d *draft) flaggerQuery(m, query field, address string) {
	limits := m.get("thresholdRange")
	l := limited{name: m.get("name").text(), address: address}
	if v, ok := limits.get("min").number(); ok {
		l.min = &v
	}
	if v, ok := limits.get("max").number(); ok {
		l.max = &v
	}
	if l.min == nil && l.max == nil {
		d.note(query, "has no limit in thresholdRange: left out. Write a guardrail with min or max")
		return
	}
	var missing string
	l.query, missing = filled(query.text(), func(of string) (string, bool) {
		switch of {
		case "namespace":
			return "{{namespace}}", true
		case "target", "service":
			return d.workloadName(), true
		case "interval":
			return orName(m.get("interval").text(), "1m"), true
		}
		v := m.get("templateVariables", strings.TrimPrefix(of, "variables.")).text()
		return v, v != ""
	})
	if missing != "" {
		d.note(query, "the value of %s is not in the files: left out. Write a guardrail with the query and its limit", missing)
		d.note(limits, "goes with it")
		return
	}
	d.note(limits, "%s", told(d.guard(l)))
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
