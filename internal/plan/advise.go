package plan

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Problem is a margin that cannot be decided in time, and what would help.
type Problem struct {
	Step    int      `json:"step"`
	Metric  string   `json:"metric"`
	Message string   `json:"message"`
	Knobs   []string `json:"knobs"` // each would do by itself
}

// How probable it must be that a healthy canary is promoted in time: below the
// first the rollout is refused, below the second there is a warning.
const (
	refused = .5
	warned  = .9
)

// advise says whether the rollout can be decided within MaxDuration and, if not,
// what holds it up and which knobs would help.
func (r *Report) advise() {
	r.warnOfUsers()
	step, metric, worst := r.slowest()
	if r.Promotion.InTime >= warned || metric == nil {
		return
	}
	text := fmt.Sprintf("a healthy canary is promoted within %s (maxDuration) with a probability of %s: it takes %s, most of it %s at %s%% of traffic until %s is shown to be %s",
		span(r.MaxDuration), percent(r.Promotion.InTime), span(float64(r.Promotion.Half)), span(worst), number(step.Weight, 3), metric.Name, metric.Limit)
	if math.IsInf(worst, 1) {
		text = fmt.Sprintf("%s cannot be shown to be %s at %s%% of traffic, however long it takes: a canary as good as stable is not within it", metric.Name, metric.Limit, number(step.Weight, 3))
	}
	knobs := r.knobs(step, metric)
	if r.Promotion.InTime >= refused {
		for _, k := range knobs {
			text += "; or " + k
		}
		r.Warnings = append(r.Warnings, text)
		return
	}
	r.Problems = append(r.Problems, Problem{step.Index, metric.Name, text, knobs})
}

// warnOfUsers says what of users who stay is not foretold.
func (r *Report) warnOfUsers() {
	p := r.settings.plan
	if p.Split.Sticky.Header == "" && p.Split.Sticky.Cookie == "" {
		return
	}
	for _, m := range r.models {
		if !r.settings.sticks(m) {
			r.Warnings = append(r.Warnings, "users stay on their arm (stickyBy) and differ from each other: with few users it takes longer than foretold here, and small differences cannot be told from who they are")
			return
		}
	}
	r.Warnings = append(r.Warnings, usersWhoStay)
}

// usersWhoStay is said where what users differ by chance is reckoned with.
const usersWhoStay = "users stay on their arm, and are taken to differ from each other by chance alone: where they differ lastingly it takes longer than foretold here, and with few users much longer"

// slowest returns the step and the metric that a healthy canary waits for
// longest.
func (r *Report) slowest() (step *Step, metric *Metric, seconds float64) {
	for i := range r.Steps {
		for j := range r.Steps[i].Metrics {
			m := &r.Steps[i].Metrics[j]
			if t := float64(m.Passes.Half); m.Gates && (metric == nil || t > seconds) {
				step, metric, seconds = &r.Steps[i], m, t
			}
		}
	}
	return step, metric, seconds
}

// knobs lists what would each by itself make a healthy canary's promotion in time
// probable.
func (r *Report) knobs(step *Step, metric *Metric) []string {
	s := r.settings
	var out []string
	if t := float64(r.Promotion.Most); !math.IsInf(t, 1) {
		out = append(out, "write maxDuration: "+roundUp(t*1.05))
	}
	if w := r.weights(); w != "" {
		out = append(out, w)
	}
	i := slices.IndexFunc(s.plan.Analysis.Metrics, func(m analysis.Metric) bool { return m.Name == metric.Name })
	if w := r.wider(i); w != "" {
		out = append(out, w)
	}
	if len(s.plan.Analysis.Metrics) > 1 {
		p := s.plan
		p.Analysis.Metrics = slices.Delete(slices.Clone(p.Analysis.Metrics), i, i+1)
		if r.enough(p) {
			out = append(out, "leave "+metric.Name+" out")
		}
	}
	return out
}

// enough reports whether a plan like this one promotes in time.
func (r *Report) enough(p rollout.Plan) bool {
	other, err := forecast(p, r.settings.base)
	return err == nil && other.Promotion.InTime >= warned
}

// weights says whether steps with more traffic would do.
func (r *Report) weights() string {
	for _, least := range []float64{10, 25, 50} {
		p := r.settings.plan
		p.Steps = slices.Clone(p.Steps)
		changed := false
		var kept []rollout.Step
		for _, s := range p.Steps {
			if judged(s) && s.Shadow == 0 && s.Weight < traffic.Percent(least) {
				s.Weight, changed = traffic.Percent(least), true
			}
			if n := len(kept); n > 0 && judged(s) && s.Shadow == 0 && kept[n-1].Weight == s.Weight {
				continue
			}
			kept = append(kept, s)
		}
		p.Steps = kept
		if changed && r.enough(p) {
			return fmt.Sprintf("give the canary at least %s%% of the traffic at every step", number(least, 3))
		}
	}
	return ""
}

// wider says which margin of metric i would do, up to ten times as wide.
func (r *Report) wider(i int) string {
	try := func(f float64) rollout.Plan {
		p := r.settings.plan
		p.Analysis.Metrics = slices.Clone(p.Analysis.Metrics)
		p.Analysis.Metrics[i] = widened(p.Analysis.Metrics[i], f)
		return p
	}
	for _, f := range []float64{1.5, 2, 3, 5, 10} {
		if p := try(f); r.enough(p) {
			return "allow more: " + r.margin(p.Analysis.Metrics[i])
		}
	}
	return ""
}

// widened returns the metric with its margin f times as wide.
func widened(m analysis.Metric, f float64) analysis.Metric {
	if m.MaxRatio > 0 {
		m.MaxRatio = 1 + f*(m.MaxRatio-1)
	}
	m.MaxIncrease, m.MaxDecrease, m.Max = f*m.MaxIncrease, f*m.MaxDecrease, math.Min(f*m.Max, .99)
	m.Slower, m.Over = slices.Clone(m.Slower), slices.Clone(m.Over)
	for i := range m.Slower {
		m.Slower[i].Share *= f
		m.Slower[i].By = time.Duration(f * float64(m.Slower[i].By))
	}
	for i := range m.Over {
		m.Over[i].MaxIncrease *= f
	}
	return m
}

// margin writes a metric's margin as the file does.
func (r *Report) margin(m analysis.Metric) string {
	switch m.Kind {
	case analysis.ErrorRate:
		text := "maxIncrease: " + number(100*m.MaxIncrease, 3) + "pp"
		if m.MaxRatio > 1 {
			return "maxRatio: " + number(m.MaxRatio, 4) + ", " + text
		}
		return text
	case analysis.Outcome:
		return "maxDecrease: " + number(100*m.MaxIncrease, 3) + "pp"
	case analysis.Mean:
		if m.MaxDecrease > 0 {
			return "maxDecrease: " + number(m.MaxDecrease, 3)
		}
		return "maxIncrease: " + number(m.MaxIncrease, 3)
	case analysis.Drift:
		return "max: " + number(m.Max, 3)
	case analysis.Pairs:
		return "maxDisagreement: " + percent(m.Max)
	}
	return namedModel{metric: m}.limit(1)
}

// roundUp writes a time that is a little longer, as a duration in the file.
func roundUp(s float64) string {
	unit := 300.
	switch {
	case s > 24*3600:
		unit = 6 * 3600
	case s > 4*3600:
		unit = 1800
	}
	d := time.Duration(math.Ceil(s/unit)*unit) * time.Second
	h, m := int(d.Hours()), int(d.Minutes())%60
	switch {
	case h == 0:
		return fmt.Sprintf("%dm", m)
	case m == 0:
		return fmt.Sprintf("%dh", h)
	}
	return fmt.Sprintf("%dh%dm", h, m)
}
