package importer

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// limited is a query of Prometheus and the limits of its value: a guardrail.
type limited struct {
	name, query string
	address     string // "" is the rollout's own Prometheus
	min, max    *float64
	every       string // "" is the default
}

// placeholder is one of the other tools' in a query: {{ target }}, or
// {{args.service-name}}.
var placeholder = regexp.MustCompile(`\{\{-?\s*([A-Za-z][\w.-]*)\s*-?\}\}`)

// filled puts values for placeholders; it reports which has none.
func filled(query string, value func(name string) (string, bool)) (out, missing string) {
	out = placeholder.ReplaceAllStringFunc(query, func(found string) string {
		name := placeholder.FindStringSubmatch(found)[1]
		v, ok := value(name)
		if !ok {
			missing = found
		}
		return v
	})
	if missing == "" && strings.Contains(strings.ReplaceAll(out, "{{namespace}}", ""), "{{") {
		missing = "what stands in two braces"
	}
	return strings.TrimSpace(out), missing
}

// guard adds a guardrail, and returns its name. A query of the candidate's own
// traffic has no value before there is any: that must not keep traffic away.
func (d *draft) guard(l limited) string {
	name := d.own("guardrail", l.name)
	g := tree{{"name", name}}
	if l.address == "" || l.address == d.address {
		g.set("query", l.query)
	} else {
		g.set("from", tree{{"prometheus", tree{{"address", l.address}, {"query", l.query}}}})
	}
	if l.min != nil {
		g.set("min", number(*l.min))
	}
	if l.max != nil {
		g.set("max", number(*l.max))
	}
	g.set("every", l.every)
	g.set("onMissing", "Warn")
	d.guards = append(d.guards, g)
	return name
}

// told is what is said of a query that became a guardrail.
func told(guardrail string) string {
	return fmt.Sprintf("guardrail %s: the same query and limit; three readings in a row outside it take the candidate back, and a missing one is only warned of. "+
		"It compares with nothing and has no error rate: to compare both versions write the raw counters behind it under analysis.source.prometheus.series, or a metric of labels (outcome) if it is one of quality", guardrail)
}

// comparison is a condition on one number, as Argo writes it.
var comparison = regexp.MustCompile(`^\s*result(?:\[0\])?\s*(<=|>=|<|>)\s*([-+.0-9eE]+)\s*$`)

// limitsOf reads the limits that a condition sets; a failure's are the other way
// round.
func limitsOf(condition string, fails bool) (least, most *float64, ok bool) {
	parts := comparison.FindStringSubmatch(condition)
	if parts == nil {
		return nil, nil, false
	}
	v, err := strconv.ParseFloat(parts[2], 64)
	if err != nil {
		return nil, nil, false
	}
	if (parts[1][0] == '>') != fails {
		return &v, nil, true
	}
	return nil, &v, true
}
