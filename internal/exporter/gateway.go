package exporter

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Serving names what the arms of one gateway serve at this moment.
type Serving struct {
	Rollout  string
	Versions [traffic.NumArms]string
	Variants []Variant // the further arms of an experiment
}

// Variant is a further arm of an experiment.
type Variant struct{ Name, Version string }

// arm returns the name and the version of an arm.
func (s Serving) arm(arm traffic.Arm) (name, version string) {
	switch i := int(arm) - traffic.NumArms; {
	case i < 0:
		return arm.String(), s.Versions[arm]
	case i < len(s.Variants):
		return s.Variants[i].Name, s.Variants[i].Version
	}
	return arm.String(), ""
}

// perEdge is how many of telemetry's edges, 4.4% apart, make one bucket here:
// 19% apart, 81 buckets, which is what a Prometheus server can be asked to keep
// for every replica of a gateway.
const perEdge = 4

// gateway collects from one Recorder.
type gateway struct {
	serving  func() Serving
	snapshot func() *telemetry.Snapshot
	value    telemetry.Bounds
	descs    map[string]*prometheus.Desc
}

// Gateway returns a collector of everything that one gateway counted. serving
// tells what its arms are, value the bounds of numeric predictions (the zero
// Bounds if there are none), with which their histogram was made.
func Gateway(serving func() Serving, snapshot func() *telemetry.Snapshot, value telemetry.Bounds) prometheus.Collector {
	g := &gateway{serving: serving, snapshot: snapshot, value: value, descs: map[string]*prometheus.Desc{}}
	for _, d := range gatewayMetrics {
		labels := append([]string{"rollout"}, d.labels...)
		g.descs[d.name] = prometheus.NewDesc("haldane_gateway_"+d.name, d.help, labels, nil)
	}
	return g
}

// gatewayMetrics are all names, with the labels beside rollout.
var gatewayMetrics = []struct {
	name, help string
	labels     []string
}{
	{"requests_total", "Requests answered or failed, by how they got to the arm and how they ended.", []string{"arm", "version", "assignment", "result"}},
	{"group_requests_total", "Requests at random of users who stay on their arm, by group of users; all groups once there is any.", []string{"arm", "version", "group", "result"}},
	{"half_requests_total", "Requests at random of stable in two halves that chance makes, between which there should be no difference.", []string{"half", "result"}},
	{"cancelled_total", "Requests at random that the client gave up first.", []string{"arm", "version"}},
	{"warmup_requests_total", "Requests that warm a model up.", []string{"arm", "version"}},
	{"request_duration_seconds", "Time to the last byte of requests at random that did not fail.", []string{"arm", "version"}},
	{"time_to_first_token_seconds", "Time to the first token of streamed answers.", []string{"arm", "version"}},
	{"time_to_first_token_squares_total", "Sum of squares of the times to the first token, in seconds squared.", []string{"arm", "version"}},
	{"time_per_output_token_seconds", "Time per token after the first of streamed answers.", []string{"arm", "version"}},
	{"time_per_output_token_squares_total", "Sum of squares of the times per token, in seconds squared.", []string{"arm", "version"}},
	{"predictions_total", "Predictions read from answers, by class; an empty class where there is none.", []string{"arm", "version", "class"}},
	{"unread_total", "Answers, or predictions in them, that could not be read.", []string{"arm", "version"}},
	{"confidence", "Confidence of predictions.", []string{"arm", "version"}},
	{"confidence_squares_total", "Sum of squares of confidences.", []string{"arm", "version"}},
	{"value", "Numeric predictions.", []string{"arm", "version"}},
	{"value_squares_total", "Sum of squares of numeric predictions.", []string{"arm", "version"}},
	{"group_confidence", "By group of users who stay on their arm: confidence of predictions.", []string{"arm", "version", "group"}},
	{"group_confidence_squares_total", "Sum of squares of those confidences.", []string{"arm", "version", "group"}},
	{"group_value", "By group of users who stay on their arm: numeric predictions.", []string{"arm", "version", "group"}},
	{"group_value_squares_total", "Sum of squares of those predictions.", []string{"arm", "version", "group"}},
	{"group_time_to_first_token_seconds", "By group of users who stay on their arm: time to the first token of streamed answers.", []string{"arm", "version", "group"}},
	{"group_time_to_first_token_squares_total", "Sum of squares of those times, in seconds squared.", []string{"arm", "version", "group"}},
	{"group_time_per_output_token_seconds", "By group of users who stay on their arm: time per token after the first of streamed answers.", []string{"arm", "version", "group"}},
	{"group_time_per_output_token_squares_total", "Sum of squares of those times, in seconds squared.", []string{"arm", "version", "group"}},
	{"assigned_total", "Requests, or users where they stay on their arm, that chance sent to each arm, by the weight it did so at, or by who had each hundredth of an experiment with variants.", []string{"arm", "weight"}},
	{"pairs_total", "Mirrored requests with both answers in.", nil},
	{"pairs_comparable_total", "Pairs of which both answers are good and could be read.", nil},
	{"pairs_disagree_total", "Comparable pairs with different predictions.", nil},
	{"pairs_aspect_comparable_total", "Pairs with two good answers that could be compared by class, value, text or latency.", []string{"of"}},
	{"pairs_aspect_disagree_total", "Of those, the pairs that differ by more than the rollout allows.", []string{"of"}},
	{"pairs_bad_total", "Pairs in which only this arm failed, or both.", []string{"arm"}},
	{"pairs_canary_slower_total", "Pairs with two good answers in which the canary was the slower.", nil},
	{"mirror_dropped_total", "Requests that were to be mirrored and were not, because a bound was reached.", nil},
}

// Describe implements prometheus.Collector.
func (g *gateway) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range g.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gateway) Collect(ch chan<- prometheus.Metric) {
	now, snap := g.serving(), g.snapshot()
	e := emitter{ch: ch, descs: g.descs, rollout: now.Rollout}
	for arm := range snap.Arms[:min(len(snap.Arms), traffic.NumArms+len(now.Variants))] {
		name, version := now.arm(traffic.Arm(arm))
		g.arm(e, snap, &snap.Arms[arm], []string{name, version})
	}
	for _, a := range snap.Assigned {
		if a.Slots != "" {
			// More arms than one weight divides between: the slots tell them all.
			for arm, n := range append([]int64{a.Stable, a.Canary}, a.Variants...)[:min(traffic.NumArms+len(a.Variants), traffic.NumArms+len(now.Variants))] {
				name, _ := now.arm(traffic.Arm(arm))
				e.count("assigned_total", n, name, a.Slots)
			}
			continue
		}
		w := strconv.FormatFloat(a.Weight.Share(), 'g', -1, 64)
		e.count("assigned_total", a.Stable, traffic.Stable.String(), w)
		e.count("assigned_total", a.Canary, traffic.Canary.String(), w)
	}
	stable := &snap.Arms[traffic.Stable]
	e.results("half_requests_total", stable.HalfRequests[:], stable.HalfErrors[:])
	p := snap.Pairs
	e.count("pairs_total", p.Seen)
	e.count("pairs_comparable_total", p.Comparable)
	e.count("pairs_disagree_total", p.Disagree)
	for i, c := range p.Aspects {
		e.count("pairs_aspect_comparable_total", c.Comparable, telemetry.Aspect(i).String())
		e.count("pairs_aspect_disagree_total", c.Disagree, telemetry.Aspect(i).String())
	}
	e.count("pairs_bad_total", p.StableOnlyBad, traffic.Stable.String())
	e.count("pairs_bad_total", p.CanaryOnlyBad, traffic.Canary.String())
	e.count("pairs_bad_total", p.BothBad, "both")
	e.count("pairs_canary_slower_total", p.CanarySlower)
	e.count("mirror_dropped_total", p.Dropped)
}

func (g *gateway) arm(e emitter, snap *telemetry.Snapshot, a *telemetry.ArmCounts, of []string) {
	requests := func(assignment string, all, failed int64) {
		e.count("requests_total", all-failed, append(of, assignment, "answered")...)
		e.count("requests_total", failed, append(of, assignment, "failed")...)
	}
	requests("random", a.Requests, a.Errors)
	requests("forced", a.Forced, a.ForcedErrors)
	requests("stale", a.Stale, a.StaleErrors)
	if slices.ContainsFunc(a.GroupRequests, func(n int64) bool { return n != 0 }) {
		e.results("group_requests_total", a.GroupRequests, a.GroupErrors, of...)
	}
	e.count("cancelled_total", a.Cancelled, of...)
	e.count("warmup_requests_total", a.Warmup, of...)
	e.count("unread_total", a.Unread, of...)
	e.histogram("request_duration_seconds", float64(a.LatencySum)/1e9, snap.Edges, a.Latency, of...)
	e.histogram("time_to_first_token_seconds", a.TTFTMoments.Sum, snap.Edges, a.TTFT, of...)
	e.histogram("time_per_output_token_seconds", a.PerTokenMoments.Sum, snap.Edges, a.PerToken, of...)

	without := a.Predictions
	for i, n := range a.ByClass {
		without -= n
		if name := className(snap.Classes, i); name != "" && n > 0 {
			e.count("predictions_total", n, append(of, name)...)
		}
	}
	e.count("predictions_total", max(without, 0), append(of, "")...)
	e.histogram("confidence", a.Confidence.Sum, equal(telemetry.Bounds{Lower: 0, Upper: 1}), a.ConfidenceBins, of...)
	if a.ValueBins != nil {
		e.histogram("value", a.Value.Sum, equal(g.value), a.ValueBins, of...)
	} else {
		e.summary("value", a.Value.N, a.Value.Sum, of...)
	}
	for name, m := range map[string]telemetry.Moments{
		"confidence": a.Confidence, "value": a.Value,
		"time_to_first_token": a.TTFTMoments, "time_per_output_token": a.PerTokenMoments,
	} {
		e.float(name+"_squares_total", m.SumSq, of...)
	}
	g.byGroup(e, a, of)
}

// byGroup sends the numbers of those groups of users that have any.
func (g *gateway) byGroup(e emitter, a *telemetry.ArmCounts, of []string) {
	for is, names := range map[telemetry.Number][2]string{
		telemetry.Confidence: {"group_confidence", "group_confidence_squares_total"},
		telemetry.Value:      {"group_value", "group_value_squares_total"},
		telemetry.TTFT:       {"group_time_to_first_token_seconds", "group_time_to_first_token_squares_total"},
		telemetry.PerToken:   {"group_time_per_output_token_seconds", "group_time_per_output_token_squares_total"},
	} {
		for i, m := range a.GroupMeans[is] {
			if m.N == 0 {
				continue
			}
			in := append(slices.Clone(of), strconv.Itoa(i))
			e.summary(names[0], m.N, m.Sum, in...)
			e.float(names[1], m.SumSq, in...)
		}
	}
}

// className is the name of the i-th count by class, the last of which holds all
// further classes.
func className(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return telemetry.OtherClass
}

// equal returns the inner edges of telemetry's equal bins of b.
func equal(b telemetry.Bounds) []float64 {
	edges := make([]float64, telemetry.ScoreBins-1)
	for i := range edges {
		edges[i] = b.Lower + (b.Upper-b.Lower)*float64(i+1)/telemetry.ScoreBins
	}
	return edges
}
