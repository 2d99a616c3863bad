package exporter

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestFeedback(t *testing.T) {
	serving := func() Serving { return Serving{Rollout: "shop/churn", Versions: [traffic.NumArms]string{"v1", "v2"}} }
	var fail error
	c := OfFeedback(serving, func() (Feedback, error) {
		return Feedback{
			Items: map[string]int64{"accepted": 7, "late": 2},
			Outcomes: []Outcome{
				{Arm: traffic.Canary, Maturity: 90 * time.Second, Predicted: "positive", Predictions: 9, Right: 3, Wrong: 1, Values: telemetry.Moments{N: 1, Sum: 2, SumSq: 4}},
				{Arm: traffic.Canary, Maturity: 90 * time.Second, Predicted: "negative", Predictions: 1, Values: telemetry.Moments{N: 2, Sum: 3, SumSq: 5}},
			},
			Events: []Event{{Arm: traffic.Canary, Maturity: 90 * time.Second, Name: "checkout", Predictions: 2, Values: telemetry.Moments{N: 2, Sum: 30, SumSq: 500}}},
		}, fail
	})
	want := `
# HELP haldane_gateway_event_predictions_total Predictions that an event came for before they reached a maturity in seconds.
# TYPE haldane_gateway_event_predictions_total counter
haldane_gateway_event_predictions_total{arm="canary",event="checkout",maturity="90",rollout="shop/churn",version="v2"} 2
# HELP haldane_gateway_event_value Values of those events.
# TYPE haldane_gateway_event_value summary
haldane_gateway_event_value_sum{arm="canary",event="checkout",maturity="90",rollout="shop/churn",version="v2"} 30
haldane_gateway_event_value_count{arm="canary",event="checkout",maturity="90",rollout="shop/churn",version="v2"} 2
# HELP haldane_gateway_event_value_squares_total Sum of squares of those values.
# TYPE haldane_gateway_event_value_squares_total counter
haldane_gateway_event_value_squares_total{arm="canary",event="checkout",maturity="90",rollout="shop/churn",version="v2"} 500
# HELP haldane_gateway_feedback_total Items of feedback by what became of them.
# TYPE haldane_gateway_feedback_total counter
haldane_gateway_feedback_total{rollout="shop/churn",status="accepted"} 7
haldane_gateway_feedback_total{rollout="shop/churn",status="late"} 2
# HELP haldane_gateway_outcome_predictions_total Predictions that have reached a maturity in seconds, labelled or not.
# TYPE haldane_gateway_outcome_predictions_total counter
haldane_gateway_outcome_predictions_total{arm="canary",maturity="90",predicted="negative",rollout="shop/churn",version="v2"} 1
haldane_gateway_outcome_predictions_total{arm="canary",maturity="90",predicted="positive",rollout="shop/churn",version="v2"} 9
# HELP haldane_gateway_outcome_value Values that came back for predictions that have reached a maturity in seconds.
# TYPE haldane_gateway_outcome_value summary
haldane_gateway_outcome_value_sum{arm="canary",maturity="90",rollout="shop/churn",version="v2"} 5
haldane_gateway_outcome_value_count{arm="canary",maturity="90",rollout="shop/churn",version="v2"} 3
# HELP haldane_gateway_outcome_value_squares_total Sum of squares of those values.
# TYPE haldane_gateway_outcome_value_squares_total counter
haldane_gateway_outcome_value_squares_total{arm="canary",maturity="90",rollout="shop/churn",version="v2"} 9
# HELP haldane_gateway_outcomes_total Labels of predictions that have reached a maturity in seconds, by whether the prediction was right.
# TYPE haldane_gateway_outcomes_total counter
haldane_gateway_outcomes_total{arm="canary",maturity="90",predicted="negative",result="right",rollout="shop/churn",version="v2"} 0
haldane_gateway_outcomes_total{arm="canary",maturity="90",predicted="negative",result="wrong",rollout="shop/churn",version="v2"} 0
haldane_gateway_outcomes_total{arm="canary",maturity="90",predicted="positive",result="right",rollout="shop/churn",version="v2"} 3
haldane_gateway_outcomes_total{arm="canary",maturity="90",predicted="positive",result="wrong",rollout="shop/churn",version="v2"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", err, problems)
	}
	fail = errors.New("the database is gone")
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	if _, err := reg.Gather(); err == nil || !strings.Contains(err.Error(), "the database is gone") {
		t.Errorf("%v", err)
	}
}

// TestFeedbackByGroup: what is of a group of users has names of its own, so that
// nobody sums it up with all of them.
func TestFeedbackByGroup(t *testing.T) {
	serving := func() Serving { return Serving{Rollout: "shop/churn", Versions: [traffic.NumArms]string{"v1", "v2"}} }
	one := Outcome{Arm: traffic.Canary, Maturity: time.Minute, Predicted: "positive", Predictions: 9, Right: 3, Wrong: 1, Values: telemetry.Moments{N: 1, Sum: 2, SumSq: 4}}
	of := one
	of.Group, of.Predictions = "7", 4
	empty := Outcome{Arm: traffic.Stable, Maturity: time.Minute, Predicted: "none", Group: "8", Predictions: 1}
	event := Event{Arm: traffic.Canary, Maturity: time.Minute, Name: "checkout", Group: "7", Predictions: 2, Values: telemetry.Moments{N: 2, Sum: 30, SumSq: 500}}
	c := OfFeedback(serving, func() (Feedback, error) {
		return Feedback{Outcomes: []Outcome{one, of, empty}, Events: []Event{event}}, nil
	})
	want := `
# HELP haldane_gateway_group_event_value By group of users who stay on their arm: Values of those events.
# TYPE haldane_gateway_group_event_value summary
haldane_gateway_group_event_value_sum{arm="canary",event="checkout",group="7",maturity="60",rollout="shop/churn",version="v2"} 30
haldane_gateway_group_event_value_count{arm="canary",event="checkout",group="7",maturity="60",rollout="shop/churn",version="v2"} 2
# HELP haldane_gateway_group_outcome_predictions_total By group of users who stay on their arm: Predictions that have reached a maturity in seconds, labelled or not.
# TYPE haldane_gateway_group_outcome_predictions_total counter
haldane_gateway_group_outcome_predictions_total{arm="canary",group="7",maturity="60",predicted="positive",rollout="shop/churn",version="v2"} 4
haldane_gateway_group_outcome_predictions_total{arm="stable",group="8",maturity="60",predicted="none",rollout="shop/churn",version="v1"} 1
# HELP haldane_gateway_group_outcome_value_squares_total By group of users who stay on their arm: Sum of squares of those values.
# TYPE haldane_gateway_group_outcome_value_squares_total counter
haldane_gateway_group_outcome_value_squares_total{arm="canary",group="7",maturity="60",rollout="shop/churn",version="v2"} 4
# HELP haldane_gateway_outcome_predictions_total Predictions that have reached a maturity in seconds, labelled or not.
# TYPE haldane_gateway_outcome_predictions_total counter
haldane_gateway_outcome_predictions_total{arm="canary",maturity="60",predicted="positive",rollout="shop/churn",version="v2"} 9
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "haldane_gateway_group_event_value", "haldane_gateway_group_outcome_predictions_total",
		"haldane_gateway_group_outcome_value_squares_total", "haldane_gateway_outcome_predictions_total"); err != nil {
		t.Error(err)
	}
}
