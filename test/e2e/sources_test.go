package e2e

import (
	"fmt"
	"slices"
	"strings"
)

// source is a Prometheus preset, and what it counts beside errors: the metrics that
// a rollout of it is judged by, and what else a scenario may need.
type source struct {
	preset string
	counts []string
	series map[string]string // of what the preset does not name itself
}

var (
	// traefik is what the proxy has seen, with buckets that tell a slow model.
	traefik = source{"traefik", []string{"latency", "goal"}, map[string]string{
		"goal": `{total: traefik_service_requests_total, bad: "traefik_service_requests_total{code=~\"5..\"}"}`}}
	// models is what the models count of themselves.
	models = source{"model", []string{"latency", "predictions", "goal"}, map[string]string{
		"predictions": `{classes: model_predicted_classes_total}`,
		"goal":        `{total: model_predictions_total, bad: "model_predictions_total{status=\"error\"}"}`}}
	// gateways is what Haldane's own have seen, which read the answers.
	gateways = source{"haldane", []string{"latency", "predictions", "labels", "events", "pairs", "confidence"}, nil}
)

// metricOf are the metrics that a rollout has for what its source counts.
var metricOf = map[string]string{
	"latency":     "    - {name: latency, latency: {maxOver: {25ms: 40pp}}}\n",
	"predictions": "    - {name: predictions, drift: {of: class, max: 25%}}\n",
}

// judged are the metrics by which a rollout is judged, and how they stand in the
// file.
func (s source) judged() (names []string, file string) {
	for _, name := range s.counts {
		if text := metricOf[name]; text != "" {
			names, file = append(names, name), file+text
		}
	}
	return names, file
}

// of is the source in a file with metrics of these names, or with a goal.
func (s source) of(names []string) string {
	var series []string
	for _, name := range names {
		if text := s.series[name]; text != "" {
			series = append(series, name+": "+text)
		}
	}
	return fmt.Sprintf("preset: %s, series: {%s}", s.preset, strings.Join(series, ", "))
}

// counting is the first of a router's sources that counts something; any does if
// nothing is asked for.
func (d driver) counting(what string) (source, bool) {
	i := slices.IndexFunc(d.sources, func(s source) bool { return what == "" || slices.Contains(s.counts, what) })
	if i < 0 {
		return source{}, false
	}
	return d.sources[i], true
}

// of reports whether the scenario is told of a router.
func (x scenario) of(d driver) bool {
	_, counted := d.counting(x.needs)
	return counted && (x.only == "" || x.only == d.name)
}
