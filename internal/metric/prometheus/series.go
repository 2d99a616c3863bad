package prometheus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// Series are the selectors of raw counters that one metric is counted from, by
// part and without what tells the arms apart.
type Series map[string]string

// parts returns the parts that a kind of metric is counted from.
func parts(k analysis.Kind) []string {
	switch k {
	case analysis.Latency:
		return []string{"buckets"}
	case analysis.Drift:
		return []string{"classes"}
	case analysis.Mean:
		return []string{"total", "sum", "squares"}
	case analysis.Pairs:
		return []string{"pairs", "disagree"}
	}
	return []string{"total", "bad"} // ErrorRate, Outcome
}

// Preset is where a known exporter keeps its counters.
type Preset struct {
	Name   string
	Arm    string // the label that tells arms apart, if it does by itself
	Match  string // label that names the rollout, "" for none
	Kinds  map[analysis.Kind]Series
	Weight string // counter of random decisions with the labels arm and weight, "" for none
}

// Presets are the exporters known by name. Each metric of a rollout takes the
// series of its kind.
func Presets() []Preset {
	return []Preset{
		{
			Name: "haldane", Arm: "arm", Match: "rollout", Weight: "haldane_gateway_assigned_total",
			Kinds: map[analysis.Kind]Series{
				analysis.ErrorRate: {
					"total": `haldane_gateway_requests_total{assignment="random"}`,
					"bad":   `haldane_gateway_requests_total{assignment="random",result="failed"}`,
				},
				analysis.Latency: {"buckets": `haldane_gateway_request_duration_seconds_bucket`},
				analysis.Drift:   {"classes": `haldane_gateway_predictions_total{class!=""}`},
				analysis.Mean: {
					"total": `haldane_gateway_value_count`, "sum": `haldane_gateway_value_sum`,
					"squares": `haldane_gateway_value_squares_total`,
				},
				analysis.Pairs: {
					"pairs": `haldane_gateway_pairs_comparable_total`, "disagree": `haldane_gateway_pairs_disagree_total`,
				},
			},
		},
		{
			Name: "istio",
			Kinds: map[analysis.Kind]Series{
				analysis.ErrorRate: {
					"total": `istio_requests_total{reporter="source"}`,
					"bad":   `istio_requests_total{reporter="source",response_code=~"5.."}`,
				},
				analysis.Latency: {"buckets": `istio_request_duration_milliseconds_bucket{reporter="source"}`},
			},
		},
	}
}

// complete checks that every part that a metric needs is known, and no other.
func (s Series) complete(m analysis.Metric) error {
	want := parts(m.Kind)
	for _, p := range want {
		if s[p] == "" {
			return fmt.Errorf("metric %s: which series count its %s? A metric of kind %s needs the parts %s", m.Name, p, m.Kind, strings.Join(want, ", "))
		}
	}
	for p := range s {
		if !slices.Contains(want, p) {
			return fmt.Errorf("metric %s: %q is no part of a metric of kind %s: write %s", m.Name, p, m.Kind, strings.Join(want, ", "))
		}
	}
	return nil
}

// with adds label matchers to a selector. Whether the result is a selector is for
// the server to say.
func with(selector string, matchers ...string) string {
	matchers = slices.DeleteFunc(slices.Clone(matchers), func(m string) bool { return m == "" })
	if len(matchers) == 0 {
		return selector
	}
	add := strings.Join(matchers, ",")
	head, ok := strings.CutSuffix(strings.TrimSpace(selector), "}")
	switch {
	case !ok:
		return selector + "{" + add + "}"
	case strings.HasSuffix(strings.TrimSpace(head), "{"), strings.HasSuffix(strings.TrimSpace(head), ","):
		return head + add + "}"
	}
	return head + "," + add + "}"
}

// unit returns the seconds of one unit of the latencies that a selector names.
func unit(selector string) float64 {
	name, _, _ := strings.Cut(selector, "{")
	switch name = strings.TrimSuffix(strings.TrimSpace(name), "_bucket"); {
	case strings.HasSuffix(name, "_milliseconds"), strings.HasSuffix(name, "_ms"):
		return 1e-3
	case strings.HasSuffix(name, "_microseconds"), strings.HasSuffix(name, "_us"):
		return 1e-6
	}
	return 1
}
