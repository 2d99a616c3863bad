package prometheus

import "github.com/haldane-dev/haldane/internal/analysis"

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
		latencies:                       histogramOf("haldane_gateway_request_duration_seconds"),
		{analysis.Drift, "class"}:       {partClasses: `haldane_gateway_predictions_total{class!=""}`},
		{analysis.Drift, "confidence"}:  histogramOf("haldane_gateway_confidence"),
		{analysis.Drift, "value"}:       histogramOf("haldane_gateway_value"),
		confidence:                      squared("confidence", "confidence_squares_total"),
		{analysis.Mean, "value"}:        squared("value", "value_squares_total"),
		{analysis.Mean, "ttft"}:         squared("time_to_first_token_seconds", "time_to_first_token_squares_total"),
		{analysis.Mean, "timePerToken"}: squared("time_per_output_token_seconds", "time_per_output_token_squares_total"),
		// A number that was predicted is neither right nor wrong.
		{Kind: analysis.Outcome}: {
			partPredictions: `haldane_gateway_outcome_predictions_total{predicted!="none"}`,
			partLabels:      `haldane_gateway_outcomes_total{predicted!="none"}`,
		},
		{analysis.Mean, "feedback"}: squared("outcome_value", "outcome_value_squares_total"),
		{Kind: analysis.Pairs}: {
			partPairs: `haldane_gateway_pairs_comparable_total`, partDisagree: `haldane_gateway_pairs_disagree_total`,
			partCanaryOnly: `haldane_gateway_pairs_bad_total{arm="canary"}`, partStableOnly: `haldane_gateway_pairs_bad_total{arm="stable"}`,
		},
	},
}

func squared(name, squares string) Series {
	s := meanOf("haldane_gateway_" + name)
	s[partSquares] = "haldane_gateway_" + squares
	return s
}
