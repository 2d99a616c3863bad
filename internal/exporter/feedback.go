package exporter

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Outcome counts predictions that have reached a maturity, and what came back
// for them until then, since the revision began.
type Outcome struct {
	Arm         traffic.Arm
	Maturity    time.Duration
	Predicted   string // how the predicted class reads: positive, negative, none
	Predictions int64
	Right       int64 // labels that were the predicted class
	Wrong       int64 // labels that were another
	Values      telemetry.Moments
}

// Event counts predictions that have reached a maturity and that an event of a
// name came for until then, since the revision began.
type Event struct {
	Arm         traffic.Arm
	Maturity    time.Duration
	Name        string
	Predictions int64
	Values      telemetry.Moments
}

// Feedback is what a gateway knows of what came back.
type Feedback struct {
	Outcomes []Outcome
	Events   []Event
	Items    map[string]int64 // since the process began, by what became of them
}

// feedback collects from one ledger.
type feedback struct {
	serving func() Serving
	read    func() (Feedback, error)
	descs   map[string]*prometheus.Desc
}

// OfFeedback returns a collector of what comes back for predictions. Of several
// gateways one counts a prediction and another its label: only sums over all of
// them tell a share.
func OfFeedback(serving func() Serving, read func() (Feedback, error)) prometheus.Collector {
	f := &feedback{serving: serving, read: read, descs: map[string]*prometheus.Desc{}}
	for _, d := range feedbackMetrics {
		labels := append([]string{"rollout"}, d.labels...)
		f.descs[d.name] = prometheus.NewDesc("haldane_gateway_"+d.name, d.help, labels, nil)
	}
	return f
}

// feedbackMetrics are all names, with the labels beside rollout.
var feedbackMetrics = []struct {
	name, help string
	labels     []string
}{
	{"feedback_total", "Items of feedback by what became of them.", []string{"status"}},
	{"outcome_predictions_total", "Predictions that have reached a maturity in seconds, labelled or not.", []string{"arm", "version", "maturity", "predicted"}},
	{"outcomes_total", "Labels of predictions that have reached a maturity in seconds, by whether the prediction was right.", []string{"arm", "version", "maturity", "predicted", "result"}},
	{"outcome_value", "Values that came back for predictions that have reached a maturity in seconds.", []string{"arm", "version", "maturity"}},
	{"outcome_value_squares_total", "Sum of squares of those values.", []string{"arm", "version", "maturity"}},
	{"event_predictions_total", "Predictions that an event came for before they reached a maturity in seconds.", []string{"arm", "version", "maturity", "event"}},
	{"event_value", "Values of those events.", []string{"arm", "version", "maturity", "event"}},
	{"event_value_squares_total", "Sum of squares of those values.", []string{"arm", "version", "maturity", "event"}},
}

// Describe implements prometheus.Collector.
func (f *feedback) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range f.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Feedback that cannot be read fails
// the scrape: counts that stand still would look like labels that do not come.
func (f *feedback) Collect(ch chan<- prometheus.Metric) {
	now := f.serving()
	e := emitter{ch: ch, descs: f.descs, rollout: now.Rollout}
	all, err := f.read()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(f.descs["feedback_total"], err)
		return
	}
	for status, n := range all.Items {
		e.count("feedback_total", n, status)
	}
	type place struct {
		arm      traffic.Arm
		maturity time.Duration
	}
	values := map[place]telemetry.Moments{}
	for _, o := range all.Outcomes {
		of := []string{o.Arm.String(), now.Versions[o.Arm], strconv.FormatFloat(o.Maturity.Seconds(), 'g', -1, 64)}
		e.count("outcome_predictions_total", o.Predictions, append(of, o.Predicted)...)
		e.count("outcomes_total", o.Right, append(of, o.Predicted, "right")...)
		e.count("outcomes_total", o.Wrong, append(of, o.Predicted, "wrong")...)
		v := values[place{o.Arm, o.Maturity}]
		v.N, v.Sum, v.SumSq = v.N+o.Values.N, v.Sum+o.Values.Sum, v.SumSq+o.Values.SumSq
		values[place{o.Arm, o.Maturity}] = v
	}
	for _, x := range all.Events {
		of := []string{x.Arm.String(), now.Versions[x.Arm], strconv.FormatFloat(x.Maturity.Seconds(), 'g', -1, 64), x.Name}
		e.count("event_predictions_total", x.Predictions, of...)
		e.summary("event_value", x.Values.N, x.Values.Sum, of...)
		e.float("event_value_squares_total", x.Values.SumSq, of...)
	}
	for at, v := range values {
		of := []string{at.arm.String(), now.Versions[at.arm], strconv.FormatFloat(at.maturity.Seconds(), 'g', -1, 64)}
		e.summary("outcome_value", v.N, v.Sum, of...)
		e.float("outcome_value_squares_total", v.SumSq, of...)
	}
}
