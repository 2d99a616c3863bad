package v1alpha1

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// MaxArms bounds the arms of an experiment.
const MaxArms = 8

// ArmStable and ArmCanary are the arms that every rollout has.
const (
	ArmStable = "stable"
	ArmCanary = "canary"
)

// Experiment compares arms by a goal, while users are divided between them, until
// one wins, none can any more, or its time is over.
//
// +kubebuilder:validation:XValidation:rule="!has(self.arms) || size(self.arms) == 0 || self.arms.all(a, !has(a.weight)) || (self.arms.all(a, has(a.weight)) && self.arms.map(a, a.weight).sum() == 100)",fieldPath=".arms",message="have weights that do not sum to 100: write one for each arm, 100 together, or none at all"
// +kubebuilder:validation:XValidation:rule="!has(self.arms) || self.arms.all(a, a.name != 'stable' || !has(a.always) || size(a.always) == 0)",fieldPath=".arms",message="always of stable is of the control: write routing.never, which keeps requests on stable"
// +kubebuilder:validation:XValidation:rule="duration(has(self.maxDuration) ? self.maxDuration : '336h') > duration('0s') && duration(has(self.maxDuration) ? self.maxDuration : '336h') > duration(has(self.minDuration) ? self.minDuration : '0s')",fieldPath=".maxDuration",message="is no longer than minDuration: it would end before it may"
// +kubebuilder:validation:XValidation:rule="!has(self.allocateEvery) || (has(self.allocation) && self.allocation == 'Thompson')",fieldPath=".allocateEvery",message="is of weights that follow the evidence: write allocation: Thompson, or leave it out"
type Experiment struct {
	// Arms are stable, which is the control, canary, and endpoints.variants by name;
	// all of them with equal weights unless said otherwise.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Arms []ExperimentArm `json:"arms,omitempty"`
	// Goal is what they are compared by.
	Goal Goal `json:"goal"`
	// Confidence that all intervals hold at all times; 95% unless said otherwise.
	// +kubebuilder:validation:Format=share-from-50
	Confidence *Probability `json:"confidence,omitempty"`
	// MinDuration is the time before which nothing but safety ends it; 0 unless
	// said otherwise.
	MinDuration *Duration `json:"minDuration,omitempty"`
	// MaxDuration ends it as it stands; 336h, two weeks, unless said otherwise.
	MaxDuration *Duration `json:"maxDuration,omitempty"`
	// Allocation is Fixed (default), or Thompson: once every treatment has passed
	// the metrics, weights follow the probability of being the best.
	// +kubebuilder:validation:Enum=Fixed;Thompson
	Allocation string `json:"allocation,omitempty"`
	// Floor is the least share of an arm under Thompson; 10%, or half an equal
	// share if that is less, unless said otherwise.
	// +kubebuilder:validation:Format=share-from-1
	Floor *Probability `json:"floor,omitempty"`
	// AllocateEvery is the time between two changes of the weights under Thompson; 10m
	// unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write it like 10m"
	AllocateEvery *Duration `json:"allocateEvery,omitempty"`
	// Then is Report (default), or Promote: of two arms, a canary that wins and
	// passes the metrics takes stable's place.
	// +kubebuilder:validation:Enum=Report;Promote
	Then string `json:"then,omitempty"`
	// ScaleDownDelay is the time between the end of an arm's traffic and its own;
	// 30s unless said otherwise.
	ScaleDownDelay *Duration `json:"scaleDownDelay,omitempty"`
	// ReadyWithin is how long treatments may take to become ready; 10m unless said
	// otherwise.
	ReadyWithin *Duration `json:"readyWithin,omitempty"`
}

// ExperimentArm is one arm: an endpoint and who gets it.
type ExperimentArm struct {
	// Name of the endpoint: stable, canary, or a variant's.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Weight is the percentage of random traffic, a whole number.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99
	Weight *int `json:"weight,omitempty"`
	// Always gets it whatever the weight, and is no evidence.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Always []Match `json:"always,omitempty"`
}

// Goal is exactly one of outcome and mean; more is better.
//
// +kubebuilder:validation:XValidation:rule="has(self.outcome) != has(self.mean)",message="needs exactly one of outcome, mean"
// +kubebuilder:validation:XValidation:rule="has(self.outcome) || has(self.minEffect)",fieldPath=".minEffect",message="is missing: write the smallest difference that is worth having, in units of the mean"
type Goal struct {
	// Outcome is the share of right predictions, by labels that arrive later.
	Outcome *GoalOutcome `json:"outcome,omitempty"`
	// Mean is that of a number with bounds.
	Mean *GoalMean `json:"mean,omitempty"`
	// MinEffect is the smallest difference worth having, in units of the goal; of an
	// outcome 0.01, a point, unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self > 0.0",message="is nothing: write the smallest difference worth having, above 0"
	MinEffect *float64 `json:"minEffect,omitempty"`
}

// GoalOutcome says how labels are waited for.
type GoalOutcome struct {
	// Maturity is how long they are waited for; 30m unless said otherwise.
	Maturity *Duration `json:"maturity,omitempty"`
	// Missing are labels that did not come: unknown (default) or negative.
	// +kubebuilder:validation:Enum=unknown;negative
	Missing string `json:"missing,omitempty"`
}

// GoalMean says of what the mean is taken.
//
// +kubebuilder:validation:XValidation:rule="has(self.bounds) ? size(self.bounds) == 2 && self.bounds[0] < self.bounds[1] : self.of in ['confidence', 'conversion']",fieldPath=".bounds",message="must be the least and the greatest possible value, like [0, 1]: what lies outside is clipped"
// +kubebuilder:validation:XValidation:rule="!(self.of in ['confidence', 'conversion']) || !has(self.bounds) || self.bounds == [0.0, 1.0]",fieldPath=".bounds",message="of a confidence and of a conversion are [0, 1]: leave them out"
// +kubebuilder:validation:XValidation:rule="(self.of in ['event', 'conversion']) == has(self.event)",fieldPath=".event",message="is the name of what happened, with of: event and of: conversion, and with nothing else"
// +kubebuilder:validation:XValidation:rule="!has(self.maturity) || has(self.event) || self.of == 'feedback'",fieldPath=".maturity",message="is of what comes back later: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.missing) || self.of in ['event', 'feedback']",fieldPath=".missing",message="is of events and feedback: leave it out"
// +kubebuilder:validation:XValidation:rule="(has(self.missing) ? self.missing : self.of == 'event' ? 'zero' : 'unknown') == 'unknown' || !has(self.bounds) || size(self.bounds) != 2 || (self.bounds[0] <= 0.0 && self.bounds[1] >= 0.0)",fieldPath=".bounds",message="leave out 0, which a prediction without the value counts as: widen them, or write missing: unknown"
type GoalMean struct {
	// Of conversion (the share of predictions with an event), event (the values of
	// events), feedback, confidence or value.
	// +kubebuilder:validation:Enum=conversion;event;feedback;confidence;value
	Of string `json:"of"`
	// Event is its name, of conversion and event.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$`
	Event string `json:"event,omitempty"`
	// Bounds are the least and the greatest possible value.
	// +kubebuilder:validation:MaxItems=2
	// +listType=atomic
	Bounds []float64 `json:"bounds,omitempty"`
	// Maturity is how long what comes back later is waited for; 30m unless said
	// otherwise.
	Maturity *Duration `json:"maturity,omitempty"`
	// Missing are values that did not come: zero (default of event) or unknown (of
	// feedback).
	// +kubebuilder:validation:Enum=zero;unknown
	Missing string `json:"missing,omitempty"`
}

// variants are the names of the arms beside stable and canary, in their order.
func (s *Spec) variants() []string {
	switch {
	case s.Endpoints != nil:
		return slices.Sorted(maps.Keys(s.Endpoints.Variants))
	case s.Workload != nil:
		return slices.Sorted(maps.Keys(s.Workload.Variants))
	}
	return nil
}

// setDefaults fills in the arms from the endpoints, stable and canary first.
func (x *Experiment) setDefaults(variants []string) {
	if len(x.Arms) == 0 {
		for _, name := range append([]string{ArmStable, ArmCanary}, variants...) {
			x.Arms = append(x.Arms, ExperimentArm{Name: name})
		}
	}
	slices.SortStableFunc(x.Arms, func(a, b ExperimentArm) int { return armOrder(a.Name) - armOrder(b.Name) })
	n := len(x.Arms)
	if !slices.ContainsFunc(x.Arms, func(a ExperimentArm) bool { return a.Weight != nil }) {
		for i := range x.Arms {
			w := 100 / n
			if i < 100%n {
				w++
			}
			x.Arms[i].Weight = &w
		}
	}
	orProbability(&x.Confidence, 0.95)
	orDuration(&x.MinDuration, 0)
	orDuration(&x.MaxDuration, 14*24*time.Hour)
	orDuration(&x.ScaleDownDelay, 30*time.Second)
	orDuration(&x.ReadyWithin, 10*time.Minute)
	if x.Allocation == "" {
		x.Allocation = "Fixed"
	}
	if x.Allocation == "Thompson" {
		orDuration(&x.AllocateEvery, 10*time.Minute)
		orProbability(&x.Floor, Probability(min(0.1, 0.5/float64(n))))
	}
	if x.Then == "" {
		x.Then = "Report"
	}
	x.Goal.setDefaults()
}

// armOrder puts stable and canary before the variants.
func armOrder(name string) int {
	switch name {
	case ArmStable:
		return 0
	case ArmCanary:
		return 1
	}
	return 2
}

func (g *Goal) setDefaults() {
	if o := g.Outcome; o != nil {
		orDuration(&o.Maturity, 30*time.Minute)
		if o.Missing == "" {
			o.Missing = "unknown"
		}
		if g.MinEffect == nil {
			point := 0.01
			g.MinEffect = &point
		}
	}
	if m := g.Mean; m != nil {
		if (m.Of == "confidence" || m.Of == "conversion") && len(m.Bounds) == 0 {
			m.Bounds = []float64{0, 1}
		}
		if m.Of == "feedback" || m.Event != "" {
			orDuration(&m.Maturity, 30*time.Minute)
		}
		switch {
		case m.Missing != "":
		case m.Of == "feedback":
			m.Missing = "unknown"
		case m.Of == "event":
			m.Missing = "zero"
		}
	}
}

// onlyInExperiments is said of what no other strategy has.
const onlyInExperiments = "are arms of an experiment: write strategy.experiment, or leave them out"

func (v *validator) experiment(path string, s *Spec) {
	x := s.Strategy.Experiment
	if v.cluster {
		v.clusterExperiment(path, s)
	}
	v.arms(path+".arms", x, s)
	v.goal(path+".goal", &x.Goal, s)
	if c := float64(*x.Confidence); c < 0.5 || c >= 1 {
		v.add(path+".confidence", "is %s: write at least 50%% and less than 100%%, like 95%%", percentString(c))
	}
	if x.MaxDuration.Duration <= 0 || x.MaxDuration.Duration <= x.MinDuration.Duration {
		v.add(path+".maxDuration", "is %s, no longer than minDuration (%s): it would end before it may", x.MaxDuration, x.MinDuration)
	}
	v.of(path+".allocation", x.Allocation, "Fixed", "Thompson")
	switch {
	case x.Allocation != "Thompson" && x.Floor != nil:
		v.add(path+".floor", "is of weights that follow the evidence: write allocation: Thompson, or leave it out")
	case x.Floor != nil && (*x.Floor < 0.01 || float64(*x.Floor)*float64(len(x.Arms)) >= 1):
		v.add(path+".floor", "is %s: write at least 1%%, and so little that %d arms have something left to share", percentString(float64(*x.Floor)), len(x.Arms))
	}
	switch every := x.AllocateEvery; {
	case every != nil && x.Allocation != "Thompson":
		v.add(path+".allocateEvery", "is of weights that follow the evidence: write allocation: Thompson, or leave it out")
	case every != nil && every.Duration <= 0:
		v.add(path+".allocateEvery", "is no time: write it like 10m")
	}
	v.of(path+".then", x.Then, "Report", "Promote")
	if x.Then == "Promote" && len(x.Arms) != 2 {
		v.add(path+".then", "is Promote, and of %d arms none takes stable's place by itself: write Report, and roll the winner out with canary", len(x.Arms))
	}
	v.besideExperiment(s)
}

// besideExperiment refuses what an experiment gives no meaning to.
func (v *validator) besideExperiment(s *Spec) {
	x := s.Strategy.Experiment
	if len(s.Routing.Always) > 0 {
		v.add("spec.routing.always", "does not say which arm: write it at the arm, under strategy.experiment.arms")
	}
	if s.Analysis.MaxDuration.Duration != x.MaxDuration.Duration {
		v.add("spec.analysis.maxDuration", "is %s, and the experiment's time is strategy.experiment.maxDuration: leave it out", s.Analysis.MaxDuration)
	}
	if s.Analysis.OnDeadline == "Rollback" {
		v.add("spec.analysis.onDeadline", "is Rollback, and an experiment whose time is over ends with a report: leave it out")
	}
	for i, m := range s.Analysis.Metrics {
		if m.Name == "goal" {
			v.add(fmt.Sprintf("spec.analysis.metrics[%d].name", i), "is the name of the experiment's goal: choose another")
		}
		if m.Gauge != nil && len(x.Arms) > 2 {
			v.add(fmt.Sprintf("spec.analysis.metrics[%d].gauge", i), "is read of stable and canary alone: compare two arms, or leave it out")
		}
	}
	for i, h := range s.Hooks {
		if h.When == "confirmTrafficIncrease" || h.When == "confirmPromotion" && x.Then != "Promote" {
			v.add(fmt.Sprintf("spec.hooks[%d].when", i), "is %s, which this experiment never asks: write confirmRollout, or leave it out", h.When)
		}
	}
}

func (v *validator) arms(path string, x *Experiment, s *Spec) {
	if n := len(x.Arms); n < 2 || n > MaxArms {
		v.add(path, "are %d: write 2 to %d", n, MaxArms)
		return
	}
	cohorts := map[string]bool{}
	for _, c := range s.Routing.Cohorts {
		cohorts[c.Name] = true
	}
	left, known, in := map[string]bool{ArmStable: true, ArmCanary: true}, s.Endpoints != nil, "endpoints.variants"
	if v.cluster {
		known, in = s.Workload != nil, "workload.variants"
	}
	for _, name := range s.variants() {
		left[name] = true
	}
	sum, weighed := 0, 0
	for i, a := range x.Arms {
		at := fmt.Sprintf("%s[%d]", path, i)
		if known && !left[a.Name] {
			v.add(at+".name", "%q is no endpoint, or is written twice: name each of stable, canary and %s once", a.Name, in)
		}
		delete(left, a.Name)
		if a.Weight != nil {
			weighed++
			sum += *a.Weight
			if *a.Weight < 1 {
				v.add(at+".weight", "is %d: write a whole percentage above 0", *a.Weight)
			}
		}
		if a.Name == ArmStable && len(a.Always) > 0 {
			v.add(at+".always", "is of the control: write routing.never, which keeps requests on stable")
		}
		v.matches(at+".always", a.Always, &s.Routing, cohorts)
	}
	if known {
		for _, name := range slices.Sorted(maps.Keys(left)) {
			v.add(path, "leave out the endpoint %s: give it a weight, or remove it", name)
		}
	}
	if weighed != len(x.Arms) || sum != 100 {
		v.add(path, "have weights that sum to %d: write one for each arm, 100 together, or none at all", sum)
	}
}

func (v *validator) goal(path string, g *Goal, s *Spec) {
	if !v.one(path, map[string]bool{"outcome": g.Outcome != nil, "mean": g.Mean != nil}, "outcome", "mean") {
		return
	}
	switch {
	case g.MinEffect == nil:
		v.add(path+".minEffect", "is missing: write the smallest difference that is worth having, in units of the mean")
	case *g.MinEffect <= 0:
		v.add(path+".minEffect", "is %s: write the smallest difference worth having, above 0", trim(*g.MinEffect))
	}
	var maturity *Duration
	if o := g.Outcome; o != nil {
		v.of(path+".outcome.missing", o.Missing, "unknown", "negative")
		maturity = o.Maturity
	}
	if m := g.Mean; m != nil {
		v.goalMean(path+".mean", m, s)
		maturity = m.Maturity
	}
	if warm := s.Analysis.Warmup.Duration; maturity != nil && warm+maturity.Duration >= s.Strategy.Experiment.MaxDuration.Duration {
		v.add(path, "has a maturity of %s: with a warmup of %s labels would come after maxDuration has ended", maturity, warm)
	}
}

func (v *validator) goalMean(path string, m *GoalMean, s *Spec) {
	v.of(path+".of", m.Of, "conversion", "event", "feedback", "confidence", "value")
	v.bounds(path+".bounds", m.Bounds)
	if (m.Of == "confidence" || m.Of == "conversion") && !slices.Equal(m.Bounds, []float64{0, 1}) {
		v.add(path+".bounds", "of a %s are [0, 1]: leave them out", m.Of)
	}
	switch {
	case m.Of != "feedback":
		v.event(path, &Mean{Of: m.Of, Event: m.Event, Missing: m.Missing, Bounds: m.Bounds, Maturity: m.Maturity}, &s.Analysis)
	case m.Event != "":
		v.add(path+".event", "is of events: leave it out, or write of: event or of: conversion")
	default:
		v.of(path+".missing", m.Missing, "unknown", "zero")
		if m.Missing == "zero" && len(m.Bounds) == 2 && (m.Bounds[0] > 0 || m.Bounds[1] < 0) {
			v.add(path+".bounds", "leave out 0, which a prediction without a value counts as: widen them, or write missing: unknown")
		}
	}
	for i, x := range s.Analysis.Metrics {
		if x.Mean != nil && x.Mean.Of == m.Of && x.Mean.Event == m.Event && !slices.Equal(x.Mean.Bounds, m.Bounds) {
			v.add(path+".bounds", "are not those of analysis.metrics[%d], which is of the same number: write them alike", i)
		}
	}
}

// variants checks the endpoints of further arms.
func (v *validator) variants(e *Endpoints, x *Experiment) {
	if len(e.Variants) > 0 && x == nil {
		v.add("spec.endpoints.variants", onlyInExperiments)
		return
	}
	versions, urls := map[string]string{}, map[string]string{}
	for _, other := range []struct {
		name string
		Endpoint
	}{{ArmStable, e.Stable}, {ArmCanary, e.Canary}} {
		versions[other.Version], urls[other.URL] = other.name, other.name
	}
	for _, name := range slices.Sorted(maps.Keys(e.Variants)) {
		one, at := e.Variants[name], "spec.endpoints.variants."+name
		if !dnsLabel.MatchString(name) || len(name) > 63 || armOrder(name) < 2 {
			v.add(at, "is no name of a variant: write one of lower-case letters, digits and dashes, and not stable or canary")
		}
		v.endpoint(at, &one)
		if other := versions[one.Version]; other != "" && one.Version != "" {
			v.add(at+".version", "is %s, like %s's: give each arm a version of its own", one.Version, other)
		}
		if other := urls[one.URL]; other != "" && one.URL != "" {
			v.add(at+".url", "is %s's: both arms would be the same server", other)
		}
		versions[one.Version], urls[one.URL] = name, name
	}
}
