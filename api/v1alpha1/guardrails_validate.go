package v1alpha1

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/theory/jsonpath"
)

// The bounds of what one rollout reads.
const (
	maxReadings  = 16
	maxQuery     = 2048
	maxFlux      = 4096
	leastHistory = 20
	mostHistory  = 5000
)

var (
	placeholder = regexp.MustCompile(`[{][{][ ]*([^{}]*?)[ ]*[}][}]`)
	// questions have no two braces but those of a placeholder, as the schema has it.
	anyQuery = regexp.MustCompile(`^([^{]|\{[^{]|\{\{ *[a-z]+ *\}\})*\{?$`)
	document = regexp.MustCompile(`^https?://([^\s/?#@{]|\{\{ *[a-z]+ *\}\})+([/?]([^\s#{]|\{\{ *[a-z]+ *\}\})*)?$`)
	region   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)

	ofRollout = []string{"name", "namespace"}
	ofArm     = []string{"arm", "version", "revision", "pods"}
	ofTime    = []string{"start", "stop", "step"}
)

// placeholders returns those of a text.
func placeholders(text string) (out []string) {
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func (v *validator) guardrails(path string, all []Guardrail) {
	if len(all) > maxReadings {
		v.add(path, "are %d: at most %d are watched", len(all), maxReadings)
	}
	seen := map[string]bool{}
	for i := range all {
		g, at := &all[i], fmt.Sprintf("%s[%d]", path, i)
		v.watched(at, g.Name, seen)
		v.reading(at, &g.Reading)
		v.limits(at, g)
		if g.Every.Duration == 0 {
			v.add(at+".every", "is no time: write one above 0")
		}
		v.of(at+".effect", g.Effect, "Rollback", "Hold", "Warn")
		v.of(at+".onMissing", g.OnMissing, "Hold", "Warn", "Fail")
	}
}

// watched demands a name of its own.
func (v *validator) watched(path, name string, seen map[string]bool) {
	if !dnsLabel.MatchString(name) || len(name) > 63 || seen[name] {
		v.add(path+".name", "is %q: give each a name of its own, of lower-case letters, digits and dashes", name)
	}
	seen[name] = true
}

func (v *validator) limits(path string, g *Guardrail) {
	switch {
	case g.Min == nil && g.Max == nil:
		v.add(path, "limits nothing: write min, max, or both")
	case g.Min != nil && g.Max != nil && *g.Min > *g.Max:
		v.add(path+".min", "is %s, above max: no number would do", trim(*g.Min))
	}
	for name, n := range map[string]int32{"consecutive": g.Consecutive, "failures": g.Failures, "of": g.Of} {
		if n < 0 || n > 100 {
			v.add(path+"."+name, "is %d: write 1 to 100", n)
		}
	}
	switch {
	case (g.Failures > 0) != (g.Of > 0):
		v.add(path, "failures and of belong together: failures: 2, of: 5")
	case g.Failures > 0 && g.Consecutive > 0:
		v.add(path+".consecutive", "contradicts failures: write one of them")
	case g.Failures > g.Of:
		v.add(path+".failures", "is %d, more than of: it could never happen", g.Failures)
	}
}

func (v *validator) anomalies(path string, all []Anomaly) {
	if len(all) > maxReadings {
		v.add(path, "are %d: at most %d are watched", len(all), maxReadings)
	}
	seen := map[string]bool{}
	for i := range all {
		a, at := &all[i], fmt.Sprintf("%s[%d]", path, i)
		v.watched(at, a.Name, seen)
		v.reading(at, &a.Reading)
		if f := a.From; f != nil && f.JSON != nil {
			v.add(at+".from", "a document does not tell what was: use prometheus, datadog, cloudWatch or influxDB, or a guardrail")
		} else if f != nil && f.InfluxDB != nil {
			if names := placeholders(string(f.InfluxDB.Query)); !slices.Contains(names, "start") || !slices.Contains(names, "stop") {
				v.add(at+".from", "the query does not say of what time: write range(start: {{start}}, stop: {{stop}})")
			}
		}
		every := a.Every.Milliseconds()
		if every == 0 || a.History.Milliseconds()/every < leastHistory || a.History.Milliseconds()/every > mostHistory {
			v.add(at+".history", "must hold %d to %d readings: lengthen it, or read more often", leastHistory, mostHistory)
		}
		v.probability(at+".falseAlarmProbability", float64(*a.FalseAlarmProbability), 0.2)
		v.of(at+".direction", a.Direction, "Up", "Down", "Both")
		v.of(at+".effect", a.Effect, "Rollback", "Hold", "Warn")
		v.of(at+".onMissing", a.OnMissing, "Hold", "Warn")
	}
}

func (v *validator) gauge(path string, g *Gauge) {
	v.reading(path, &g.Reading)
	up, down := g.MaxRatio != nil || g.MaxIncrease != nil, g.MinRatio != nil || g.MaxDecrease != nil
	if up == down {
		v.add(path, "needs either maxRatio or maxIncrease (lower is better) or minRatio or maxDecrease (higher is better)")
	}
	margin := func(name string, x *float64, above, below float64) {
		if x != nil && (*x <= above || *x >= below) {
			v.add(path+"."+name, "leaves no margin: write above %s%s", trim(above), map[bool]string{true: " and below " + trim(below)}[!math.IsInf(below, 1)])
		}
	}
	margin("maxRatio", g.MaxRatio, 1, math.Inf(1))
	margin("maxIncrease", g.MaxIncrease, 0, math.Inf(1))
	margin("minRatio", g.MinRatio, 0, 1)
	margin("maxDecrease", g.MaxDecrease, 0, math.Inf(1))
	if g.Every.Duration == 0 {
		v.add(path+".every", "is no time: write one above 0")
	}
	if !slices.ContainsFunc(g.Reading.questions(), func(q string) bool {
		return slices.ContainsFunc(placeholders(q), func(name string) bool { return slices.Contains(ofArm, name) })
	}) {
		v.add(path, "asks the same of both arms: write {{arm}}, {{version}}, {{revision}} or {{pods}} where they differ")
	}
}

// questions are all texts of a reading that may hold placeholders.
func (r *Reading) questions() []string {
	out := []string{string(r.Query)}
	f := r.From
	switch {
	case f == nil:
	case f.Prometheus != nil:
		out = append(out, string(f.Prometheus.Query))
	case f.JSON != nil:
		out = append(out, f.JSON.URL)
	case f.Datadog != nil:
		out = append(out, string(f.Datadog.Query))
	case f.CloudWatch != nil:
		out = append(out, string(f.CloudWatch.Expression))
		for _, d := range f.CloudWatch.Dimensions {
			out = append(out, string(d))
		}
	case f.InfluxDB != nil:
		out = append(out, string(f.InfluxDB.Query))
	}
	return out
}

func (v *validator) reading(path string, r *Reading) {
	if !v.one(path, map[string]bool{"query": r.Query != "", "from": r.From != nil}, "query", "from") {
		return
	}
	if r.From == nil {
		v.query(path+".query", string(r.Query), maxQuery)
		if !v.cluster {
			v.add(path+".query", "is asked of the Prometheus that the counts come from, and in local mode there is none: write from: {prometheus: {address: …, query: …}}")
		}
		return
	}
	f, at := r.From, path+".from"
	if !v.one(at, map[string]bool{"prometheus": f.Prometheus != nil, "json": f.JSON != nil, "datadog": f.Datadog != nil,
		"cloudWatch": f.CloudWatch != nil, "influxDB": f.InfluxDB != nil}, "prometheus", "json", "datadog", "cloudWatch", "influxDB") {
		return
	}
	switch {
	case f.Prometheus != nil:
		v.server(at+".prometheus.address", f.Prometheus.Address)
		v.query(at+".prometheus.query", string(f.Prometheus.Query), maxQuery)
		v.secret(at+".prometheus.tokenFrom", f.Prometheus.TokenFrom)
	case f.JSON != nil:
		v.json(at+".json", f.JSON)
	case f.Datadog != nil:
		d := f.Datadog
		v.server(at+".datadog.address", d.Address)
		v.query(at+".datadog.query", string(d.Query), maxQuery)
		v.secret(at+".datadog.apiKeyFrom", &d.APIKeyFrom)
		v.secret(at+".datadog.appKeyFrom", &d.AppKeyFrom)
		v.window(at+".datadog.window", d.Window)
	case f.CloudWatch != nil:
		v.cloudWatch(at+".cloudWatch", f.CloudWatch)
	case f.InfluxDB != nil:
		i := f.InfluxDB
		v.server(at+".influxDB.address", i.Address)
		if i.Org == "" || len(i.Org) > 255 {
			v.add(at+".influxDB.org", "is missing")
		}
		v.query(at+".influxDB.query", string(i.Query), maxFlux, ofTime...)
		v.secret(at+".influxDB.tokenFrom", i.TokenFrom)
		v.window(at+".influxDB.window", i.Window)
	}
}

func (v *validator) server(path, text string) {
	if !address.MatchString(text) || len(text) > maxAddress {
		v.add(path, "%q is no address of a server: write it like http://prometheus.monitoring:9090", text)
	}
}

func (v *validator) window(path string, d *Duration) {
	if d.Duration == 0 {
		v.add(path, "is no time: write one above 0")
	}
}

// query refuses a question that is none, and placeholders that stand for nothing.
func (v *validator) query(path, text string, most int, more ...string) {
	if text == "" || len(text) > most {
		v.add(path, "is missing, or longer than %d bytes", most)
	}
	known := slices.Concat(ofRollout, ofArm, more)
	if !anyQuery.MatchString(text) {
		v.add(path, "has two braces that are no placeholder: write {{%s}}, or a space between them", strings.Join(known, "}}, {{"))
	}
	for _, name := range placeholders(text) {
		switch {
		case !slices.Contains(known, name):
			v.add(path, "has the placeholder {{%s}}, which is none: write {{%s}}", name, strings.Join(known, "}}, {{"))
		case !v.cluster && (name == "namespace" || name == "pods"):
			v.add(path, "has {{%s}}, which is of a cluster: leave it out", name)
		}
	}
}

func (v *validator) json(path string, j *JSONQuery) {
	if !document.MatchString(j.URL) {
		v.add(path+".url", "%q is no address to ask: write it like https://queue.example.com/depth?of={{version}}, without user and password", j.URL)
	}
	v.query(path+".url", j.URL, maxQuery)
	if _, err := jsonpath.Parse(j.Path); err != nil || len(j.Path) > 1024 {
		v.add(path+".path", "%q is no JSONPath: write it like $.queue.length", j.Path)
	}
	v.texts(path+".headers", j.Headers, maxHeaders)
	v.secret(path+".tokenFrom", j.TokenFrom)
}

func (v *validator) cloudWatch(path string, c *CloudWatchQuery) {
	if !region.MatchString(c.Region) || len(c.Region) > 63 {
		v.add(path+".region", "is %q: write it like eu-north-1", c.Region)
	}
	if c.Address != "" {
		v.server(path+".address", c.Address)
	}
	metric := c.Namespace != "" && c.Metric != ""
	if alone := c.Namespace == "" && c.Metric == "" && len(c.Dimensions) == 0 && c.Statistic == ""; (c.Expression != "") != alone || c.Expression == "" && !metric {
		v.add(path, "needs either namespace and metric, with dimensions and statistic, or expression alone")
	}
	if c.Expression != "" {
		v.query(path+".expression", string(c.Expression), maxQuery)
	}
	for name, value := range c.Dimensions {
		v.query(path+".dimensions."+name, string(value), 255)
	}
	if len(c.Dimensions) > 10 {
		v.add(path+".dimensions", "are %d: at most 10 are asked for", len(c.Dimensions))
	}
	if p := c.Period.Duration; p < time.Second || p > 24*time.Hour || p%time.Second != 0 {
		v.add(path+".period", "is %s: write whole seconds between 1s and 24h", c.Period)
	}
	v.window(path+".window", c.Window)
	if v.cluster && (c.AccessKeyFrom == nil || c.SecretKeyFrom == nil) {
		v.add(path, "needs accessKeyFrom and secretKeyFrom: on a cluster nobody is asked as the controller")
	} else if (c.AccessKeyFrom == nil) != (c.SecretKeyFrom == nil) {
		v.add(path, "needs both accessKeyFrom and secretKeyFrom, or neither")
	}
	v.secret(path+".accessKeyFrom", c.AccessKeyFrom)
	v.secret(path+".secretKeyFrom", c.SecretKeyFrom)
	v.secret(path+".sessionTokenFrom", c.SessionTokenFrom)
}
