package prometheus

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// Counted names what a metric is about: its kind, and of which of several things.
type Counted struct {
	Kind  analysis.Kind
	Of    string // as in metric.Metric; "" where there is but one; knownEvent are events without the predictions that none came for, allFeedback values with those
	Event string // the name of what happened, of events
}

// Preset is where a known system keeps its counters.
type Preset struct {
	Name   string
	Arm    string // the label that tells arms apart with the values stable and canary, if it does by itself
	Match  string // label that names the rollout, "" for none
	Weight string // counter of random decisions with the labels arm and weight, "" for none
	Age    string // label with how old predictions were, in seconds, when their labels were looked at; "" for none
	// Pod is set where each process is of one arm, so that its pod tells which.
	// Else the system is in the path of both, and a label names the arm.
	Pod   bool
	Kinds map[Counted]Series
}

// Of returns where a metric is counted, a copy; nil if the system does not count
// it.
func (p Preset) Of(c Counted) Series {
	if c.Kind != analysis.Drift && c.Kind != analysis.Mean && c.Kind != analysis.Pairs {
		c.Of = ""
	}
	event := c.Event
	c.Event = ""
	out := maps.Clone(p.Kinds[c])
	for part, selector := range out {
		if event != "" && strings.Contains(selector, "_event_") {
			out[part] = with(selector, fmt.Sprintf("event=%q", event))
		}
	}
	return out
}

// WithoutGroups leaves out what counts what comes back by group of users, for a
// rollout whose users do not stay on their arm.
func (p Preset) WithoutGroups() Preset {
	kinds := make(map[Counted]Series, len(p.Kinds))
	for c, s := range p.Kinds {
		s = maps.Clone(s)
		for _, part := range []string{partGroupPredictions, partGroupLabels, partGroupTotal, partGroupSum, partGroupSquares} {
			delete(s, part)
		}
		kinds[c] = s
	}
	p.Kinds = kinds
	return p
}

// Presets are the systems known by name.
func Presets() []Preset {
	return []Preset{haldane, istio, traefik, nginx, kserve, triton, vllm, seldon, bentoml, lecture}
}

// Matured is Of for what comes back for predictions: of those that have reached an
// age.
func (p Preset) Matured(c Counted, age time.Duration) Series {
	out := p.Of(c)
	if p.Age != "" {
		for part, selector := range out {
			out[part] = with(selector, fmt.Sprintf("%s=%q", p.Age, strconv.FormatFloat(age.Seconds(), 'g', -1, 64)))
		}
	}
	return out
}

// PresetNamed finds a preset; custom is one that knows no series.
func PresetNamed(name string) (Preset, bool) {
	if name == "custom" || name == "" {
		return Preset{Name: "custom", Pod: true}, true
	}
	for _, p := range Presets() {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

// The things that most systems count.
var (
	failures   = Counted{Kind: analysis.ErrorRate}
	latencies  = Counted{Kind: analysis.Latency}
	confidence = Counted{Kind: analysis.Mean, Of: "confidence"}
)

// rate is failures among requests.
func rate(total, bad string) Series { return Series{partTotal: total, partBad: bad} }

// histogramOf is the distribution that a histogram of a name has.
func histogramOf(name string) Series { return Series{partBuckets: name + "_bucket"} }

// meanOf is the mean that a histogram or summary of a name has. Its squares are
// not counted.
func meanOf(name string) Series { return Series{partTotal: name + "_count", partSum: name + "_sum"} }
