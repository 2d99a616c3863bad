package prometheus

import (
	"strings"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// haldane is Haldane's own gateway, by package exporter. Only requests that
// chance sent to an arm are evidence.
var haldane = Preset{
	Name: "haldane", Arm: "arm", Match: "rollout", Weight: "haldane_gateway_assigned_total", Age: "maturity",
	Kinds: map[Counted]Series{
		failures: {
			partTotal:  `haldane_gateway_requests_total{assignment="random"}`,
			partBad:    `haldane_gateway_requests_total{assignment="random",result="failed"}`,
			partGroups: `haldane_gateway_group_requests_total`,
			partHalves: `haldane_gateway_half_requests_total`,
		},
		latencies:                                 histogramOf("haldane_gateway_request_duration_seconds"),
		{Kind: analysis.Drift, Of: "class"}:       {partClasses: `haldane_gateway_predictions_total{class!=""}`},
		{Kind: analysis.Drift, Of: "confidence"}:  histogramOf("haldane_gateway_confidence"),
		{Kind: analysis.Drift, Of: "value"}:       histogramOf("haldane_gateway_value"),
		confidence:                                byGroup(squared("confidence", "confidence_squares_total")),
		{Kind: analysis.Mean, Of: "value"}:        byGroup(squared("value", "value_squares_total")),
		{Kind: analysis.Mean, Of: "ttft"}:         byGroup(squared("time_to_first_token_seconds", "time_to_first_token_squares_total")),
		{Kind: analysis.Mean, Of: "timePerToken"}: byGroup(squared("time_per_output_token_seconds", "time_per_output_token_squares_total")),
		// A number that was predicted is neither right nor wrong.
		{Kind: analysis.Outcome}: byGroup(Series{
			partPredictions: `haldane_gateway_outcome_predictions_total{predicted!="none"}`,
			partLabels:      `haldane_gateway_outcomes_total{predicted!="none"}`,
		}),
		{Kind: analysis.Mean, Of: "feedback"}: byGroup(squared("outcome_value", "outcome_value_squares_total")),
		{Kind: analysis.Mean, Of: "allFeedback"}: byGroup(Series{
			partTotal: "haldane_gateway_outcome_predictions_total", partSum: "haldane_gateway_outcome_value_sum",
			partSquares: "haldane_gateway_outcome_value_squares_total",
		}),
		// Of all predictions, of those with an event, and whether one came.
		{Kind: analysis.Mean, Of: "event"}: byGroup(Series{
			partTotal: "haldane_gateway_outcome_predictions_total", partSum: "haldane_gateway_event_value_sum",
			partSquares: "haldane_gateway_event_value_squares_total",
		}),
		{Kind: analysis.Mean, Of: "knownEvent"}: byGroup(squared("event_value", "event_value_squares_total")),
		{Kind: analysis.Mean, Of: "conversion"}: byGroup(Series{
			partTotal: "haldane_gateway_outcome_predictions_total", partSum: "haldane_gateway_event_predictions_total",
			partSquares: "haldane_gateway_event_predictions_total",
		}),
		{Kind: analysis.Pairs, Of: "prediction"}: pairsOf(`haldane_gateway_pairs_comparable_total`, `haldane_gateway_pairs_disagree_total`),
		{Kind: analysis.Pairs, Of: "class"}:      aspect("class"),
		{Kind: analysis.Pairs, Of: "value"}:      aspect("value"),
		{Kind: analysis.Pairs, Of: "text"}:       aspect("text"),
		{Kind: analysis.Pairs, Of: "latency"}:    aspect("latency"),
	},
}

// byGroup adds the same series by group of users.
func byGroup(s Series) Series {
	for part, group := range map[string]string{
		partPredictions: partGroupPredictions, partLabels: partGroupLabels,
		partTotal: partGroupTotal, partSum: partGroupSum, partSquares: partGroupSquares,
	} {
		if selector, ok := s[part]; ok {
			s[group] = strings.Replace(selector, "haldane_gateway_", "haldane_gateway_group_", 1)
		}
	}
	return s
}

func pairsOf(comparable, disagree string) Series {
	return Series{
		partPairs: comparable, partDisagree: disagree,
		partCanaryOnly: `haldane_gateway_pairs_bad_total{arm="canary"}`, partStableOnly: `haldane_gateway_pairs_bad_total{arm="stable"}`,
	}
}

func aspect(of string) Series {
	return pairsOf(`haldane_gateway_pairs_aspect_comparable_total{of="`+of+`"}`, `haldane_gateway_pairs_aspect_disagree_total{of="`+of+`"}`)
}

func squared(name, squares string) Series {
	s := meanOf("haldane_gateway_" + name)
	s[partSquares] = "haldane_gateway_" + squares
	return s
}
