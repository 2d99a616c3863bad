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
	Group       string // of users, "" for all of them
}

// Event counts predictions that have reached a maturity and that an event of a
// name came for until then, since the revision began.
type Event struct {
	Arm         traffic.Arm
	Maturity    time.Duration
	Name        string
	Predictions int64
	Values      telemetry.Moments
	Group       string // of users, "" for all of them
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
		if d.name != "feedback_total" {
			group := groupName(d.name)
			f.descs[group] = prometheus.NewDesc("haldane_gateway_"+group, "By group of users who stay on their arm: "+d.help, append(labels, "group"), nil)
		}
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

// groupName is the name of a metric counted by group of users, with the label group
// beside its own: of those groups alone of which there is anything.
func groupName(name string) string { return "group_" + name }

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
	values := map[place]telemetry.Moments{}
	for _, o := range all.Outcomes {
		at := place{o.Arm, o.Maturity, o.Group}
		e.tell(at, now, "outcome_predictions_total", float64(o.Predictions), o.Predicted)
		e.tell(at, now, "outcomes_total", float64(o.Right), o.Predicted, "right")
		e.tell(at, now, "outcomes_total", float64(o.Wrong), o.Predicted, "wrong")
		v := values[at]
		v.N, v.Sum, v.SumSq = v.N+o.Values.N, v.Sum+o.Values.Sum, v.SumSq+o.Values.SumSq
		values[at] = v
	}
	for _, x := range all.Events {
		at := place{x.Arm, x.Maturity, x.Group}
		e.tell(at, now, "event_predictions_total", float64(x.Predictions), x.Name)
		e.values(at, now, "event_value", x.Values, x.Name)
	}
	for at, v := range values {
		if at.group == "" || v.N > 0 {
			e.values(at, now, "outcome_value", v)
		}
	}
}

// place is where something came back.
type place struct {
	arm      traffic.Arm
	maturity time.Duration
	group    string
}

// named returns the name of a metric at a place, and its labels.
func (p place) named(now Serving, name string, labels []string) (string, []string) {
	arm, version := now.arm(p.arm)
	of := append([]string{arm, version, strconv.FormatFloat(p.maturity.Seconds(), 'g', -1, 64)}, labels...)
	if p.group == "" {
		return name, of
	}
	return groupName(name), append(of, p.group)
}

// tell sends a count of what came back.
func (e emitter) tell(at place, now Serving, name string, x float64, labels ...string) {
	name, of := at.named(now, name, labels)
	e.float(name, x, of...)
}

// values sends the moments of values that came back.
func (e emitter) values(at place, now Serving, name string, m telemetry.Moments, labels ...string) {
	summary, of := at.named(now, name, labels)
	e.summary(summary, m.N, m.Sum, of...)
	e.tell(at, now, name+"_squares_total", m.SumSq, labels...)
}
