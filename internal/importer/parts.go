package importer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// ladder are steps in the making: weights that rise, and what is between them.
type ladder struct {
	steps []any
	last  float64
	gates int  // weights below 100
	full  bool // 100 is there
}

// weight adds a step. It reports why not, if it cannot stand there.
func (l *ladder) weight(w float64) (reason string) {
	switch {
	case l.full:
		return "comes after 100%: nothing can be compared there, so it was left out"
	case w <= l.last:
		return fmt.Sprintf("is not above the %s%% before it: weights rise from step to step, so it was left out", trim(l.last))
	case w > 100:
		return "is above 100%, so it was left out"
	case len(l.steps) >= v1alpha1.MaxSteps-1 && w < 100:
		return fmt.Sprintf("was left out: a rollout has at most %d steps", v1alpha1.MaxSteps)
	}
	l.last, l.full = w, w == 100
	if w < 100 {
		l.gates++
	}
	l.steps = append(l.steps, flow{{"weight", number(w)}})
	return ""
}

// pause adds a pause, of a person's if it has no time.
func (l *ladder) pause(d time.Duration) (reason string) {
	if l.full || len(l.steps) >= v1alpha1.MaxSteps-1 {
		return "was left out: there is no step after it"
	}
	inner := flow{}
	if d > 0 {
		inner = flow{{"for", span(d)}}
	}
	l.steps = append(l.steps, flow{{"pause", inner}})
	return ""
}

// defaults writes the steps that a rollout has if it says nothing, below 100.
func (l *ladder) defaults() {
	for _, w := range []float64{5, 25, 50} {
		l.weight(w)
	}
}

// end returns the steps; they end at 100, and compare something. No steps at
// all are the default ones.
func (l *ladder) end() []any {
	switch {
	case l.gates == 0 && len(l.steps) == 0:
		return nil
	case l.gates == 0 && l.full:
		at := len(l.steps) - 1
		l.steps = append(l.steps[:at:at], flow{{"weight", 50}}, flow{{"weight", 100}})
	case l.gates == 0:
		l.steps = append(l.steps, flow{{"weight", 50}}, flow{{"weight", 100}})
	case !l.full:
		l.steps = append(l.steps, flow{{"weight", 100}})
	}
	return l.steps
}

func trim(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// span writes a time as people do: 10m and not 10m0s.
func span(d time.Duration) string {
	text := d.String()
	if rest, ok := strings.CutSuffix(text, "m0s"); ok {
		text = rest + "m"
	}
	if rest, ok := strings.CutSuffix(text, "h0m"); ok {
		text = rest + "h"
	}
	return text
}

// number is v as people write it: 5 and not 5.0.
func number(v float64) any {
	if v == float64(int64(v)) {
		return int64(v)
	}
	return v
}

// duration reads "1m", or a bare number of seconds.
func (f field) duration() (time.Duration, bool) {
	text := f.text()
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 {
		return time.Duration(n * float64(time.Second)), true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

// metric adds one under a name of its own, and returns the name.
func (d *draft) metric(name string, kind string, value any) string {
	name = d.own("metric", name)
	d.metrics = append(d.metrics, flow{{"name", name}, {kind, value}})
	return name
}

// own makes a name of name that nothing else of that kind has.
func (d *draft) own(kind, name string) string {
	if d.names == nil {
		d.names = map[string]bool{}
	}
	name = label(name)
	for n, base := 2, name; d.names[kind+" "+name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	d.names[kind+" "+name] = true
	return name
}

// label makes a name of lower-case letters, digits and dashes.
func label(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	s = strings.Trim(s[:min(len(s), 60)], "-")
	if s == "" {
		return "metric"
	}
	return s
}

// compareDefaults writes the comparisons that a rollout makes if it says
// nothing, so that the reader sees them.
func (d *draft) compareDefaults() {
	d.metric("errors", "errorRate", flow{})
	d.metric("latency", "latency", flow{})
}

// count says where the counts come from, and tells what the files do not say.
func (d *draft) count(doc *document) {
	switch {
	case d.options.Prometheus != "":
		d.address = d.options.Prometheus
	case d.address == "":
		d.address = defaultPrometheus
		d.say(doc, "which Prometheus has the counts stands in none of the files: %s was written, correct it or give --prometheus", defaultPrometheus)
	}
	switch d.router.key {
	case "istio", "nginx":
		d.preset = d.router.key
	case "gateway":
		d.preset = "haldane"
	default:
		d.preset = "istio"
		d.say(doc, "which series count the requests stands in none of the files: preset istio was written; write the preset of what serves them, or series")
	}
}

// header adds a match of requests that always go to the candidate.
func (d *draft) header(name string, how entry) {
	match := flow{{"name", name}}
	if how.key != "" {
		match = append(match, how)
	}
	d.always = append(d.always, flow{{"header", match}})
}

// condition reads how a value is matched: exact, prefix or regex.
func condition(f field) (entry, bool) {
	for _, how := range []string{"exact", "prefix", "regex"} {
		if x := f.get(how); x.exists() {
			return entry{how, x.text()}, true
		}
	}
	return entry{}, false
}
