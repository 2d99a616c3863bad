package kubernetes

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/prometheus"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// PodLabel is the label with a pod's name that scrapes of pods usually have.
const PodLabel = "pod"

// Source is the Prometheus source of one rollout.
type Source struct {
	counting
	address string
}

// counting is a source of two arms, or of more.
type counting interface {
	metric.Source
	// Missing returns the selectors that found no series in the last block.
	Missing() []string
}

// Conditions implements cluster.Conditioner: whether all that is to be counted is
// there. Selectors that find nothing are mistakes more often than models that
// nobody has asked anything yet.
func (s *Source) Conditions() []cluster.Condition {
	missing := s.Missing()
	out := cluster.Condition{Type: ConditionSeriesFound, True: len(missing) == 0, Reason: "Found"}
	if len(missing) > 0 {
		out.Reason = "NoSeries"
		out.Message = fmt.Sprintf("Prometheus at %s has nothing of either arm for %s: see preset, series, match and armBy, and whether it scrapes what they name",
			s.address, strings.Join(missing, " and for "))
	}
	return []cluster.Condition{out}
}

// ConditionSeriesFound is false while Prometheus answers and knows of nothing that
// is to be counted.
const ConditionSeriesFound = "SeriesFound"

// New makes the source of a rollout whose spec is defaulted and valid. It asks
// nobody anything. The error says, by field below spec.analysis.source, what is
// missing and what to write.
func New(r cluster.Rollout) (*Source, error) {
	spec := r.Spec.Analysis.Source.Prometheus
	if spec == nil {
		return nil, fmt.Errorf("prometheus is missing: on a cluster the counts come from there")
	}
	preset, ok := prometheus.PresetNamed(spec.Preset)
	if !ok {
		return nil, fmt.Errorf("prometheus.preset: %q is not known", spec.Preset)
	}
	if r.Spec.Routing.StickyBy == nil && r.Spec.Routing.Flag == nil {
		preset = preset.WithoutGroups()
	}
	arms, err := armsOf(r, preset)
	if err != nil {
		return nil, fmt.Errorf("prometheus.armBy: %w", err)
	}
	c := prometheus.Config{
		Address: spec.Address, Arms: arms, Match: match(r, preset),
		Metrics: map[string]analysis.Metric{}, Series: map[string]prometheus.Series{}, Assigned: preset.Weight,
	}
	if spec.ScrapeInterval != nil {
		c.ScrapeInterval = spec.ScrapeInterval.Duration
	}
	for _, m := range r.Spec.Analysis.Metrics {
		if m.Gauge != nil {
			continue // somebody else measures it
		}
		about, counted := what(m)
		if err := add(&c, spec, preset, about, counted, maturity(m, r.Spec)); err != nil {
			return nil, err
		}
	}
	if x := r.Spec.Strategy.Experiment; x != nil {
		about, counted, age := goal(x.Goal)
		if err := add(&c, spec, preset, about, counted, age); err != nil {
			return nil, err
		}
	}
	if spec.TokenFrom != nil {
		t := &token{r: r, from: *spec.TokenFrom, now: time.Now}
		c.Token = t.get
	}
	s, err := counts(c, r.Spec)
	if err != nil {
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	return &Source{s, spec.Address}, nil
}

// counts makes the source of c. The further arms of an experiment have their names
// in the label by which gateways tell arms.
func counts(c prometheus.Config, spec *v1alpha1.Spec) (counting, error) {
	x := spec.Strategy.Experiment
	if x == nil || len(spec.Workload.Variants) == 0 {
		return prometheus.New(c)
	}
	treatments := []prometheus.Arms{c.Arms}
	for _, a := range x.Arms[traffic.NumArms:] {
		arms, err := prometheus.ByLabel("arm", traffic.Stable.String(), a.Name)
		if err != nil {
			return nil, err
		}
		treatments = append(treatments, arms)
	}
	return prometheus.NewMany(c, treatments)
}

// add says where a metric is counted. age is how old predictions are then, 0 if
// nothing is waited for.
func add(c *prometheus.Config, spec *v1alpha1.Prometheus, preset prometheus.Preset, about analysis.Metric, counted prometheus.Counted, age time.Duration) error {
	series := preset.Of(counted)
	if age > 0 {
		series = preset.Matured(counted, age)
	}
	if own := spec.Series[about.Name]; len(own) > 0 {
		series = prometheus.Series{}
		for part, selector := range own {
			series[part] = string(selector)
		}
	}
	if len(series) == 0 {
		return fmt.Errorf("prometheus.series.%s is missing: %s does not count what this metric is about; write which series do", about.Name, cmp.Or(spec.Preset, "custom"))
	}
	c.Metrics[about.Name], c.Series[about.Name] = about, series
	return nil
}

// what is a metric of the spec as it is counted.
func what(m v1alpha1.Metric) (analysis.Metric, prometheus.Counted) {
	out := analysis.Metric{Name: m.Name}
	of, event := "", ""
	switch {
	case m.ErrorRate != nil:
		out.Kind = analysis.ErrorRate
	case m.Latency != nil:
		out.Kind = analysis.Latency
	case m.Drift != nil:
		out.Kind, of = analysis.Drift, m.Drift.Of
	case m.Mean != nil:
		out.Kind, of = analysis.Mean, m.Mean.Of
		if of == "timeToFirstToken" {
			of = "ttft" // as sources call it
		}
		out.Late = m.Mean.Event != ""
		if event = m.Mean.Event; m.Mean.Missing == "unknown" {
			of = "knownEvent"
		}
		if len(m.Mean.Bounds) == 2 {
			out.Lower, out.Upper = m.Mean.Bounds[0], m.Mean.Bounds[1]
		}
	case m.Outcome != nil:
		out.Kind = analysis.Outcome
	case m.Pairs != nil:
		out.Kind, of = analysis.Pairs, cmp.Or(m.Pairs.Of, "prediction") // a spec saved by a version before has none
	}
	return out, prometheus.Counted{Kind: out.Kind, Of: of, Event: event}
}

// maturity is how old predictions are when a metric looks at what came back for
// them: values are waited for as long as the slowest labels. 0 if it does not.
func maturity(m v1alpha1.Metric, spec *v1alpha1.Spec) time.Duration {
	switch {
	case m.Outcome != nil:
		return m.Outcome.Maturity.Duration
	case m.Mean != nil && m.Mean.Event != "":
		return m.Mean.Maturity.Duration
	case m.Mean == nil || m.Mean.Of != "feedback":
		return 0
	}
	longest := time.Duration(0)
	if x := spec.Strategy.Experiment; x != nil {
		_, _, longest = goal(x.Goal)
	}
	for _, x := range spec.Analysis.Metrics {
		switch {
		case x.Outcome != nil:
			longest = max(longest, x.Outcome.Maturity.Duration)
		case x.Mean != nil && x.Mean.Event != "":
			longest = max(longest, x.Mean.Maturity.Duration)
		}
	}
	return cmp.Or(longest, feedback.DefaultMaturity)
}

// match is the matchers that every selector gets.
func match(r cluster.Rollout, preset prometheus.Preset) string {
	own := r.Spec.Analysis.Source.Prometheus.Match
	var out []string
	for _, label := range slices.Sorted(maps.Keys(own)) {
		out = append(out, fmt.Sprintf("%s=%q", label, string(own[label])))
	}
	switch {
	case preset.Match != "" && own[preset.Match] == "":
		out = append(out, fmt.Sprintf("%s=%q", preset.Match, r.ID()))
	case preset.Name == "nginx" && r.Spec.Routing.Nginx != nil && own["ingress"] == "":
		out = append(out, fmt.Sprintf("ingress=%q", r.Spec.Routing.Nginx.Ingress))
	}
	return strings.Join(out, ",")
}

// armsOf says how series are known to be of an arm: as the spec has it, or in the
// preset's way.
func armsOf(r cluster.Rollout, preset prometheus.Preset) (prometheus.Arms, error) {
	if by := r.Spec.Analysis.Source.Prometheus.ArmBy; by != nil {
		if by.Label != "" {
			return prometheus.ByLabel(by.Label, cmp.Or(by.Stable, r.StableService()), cmp.Or(by.Canary, r.CanaryService()))
		}
		return byPod(r, by.Pod), nil
	}
	switch {
	case preset.Arm != "":
		return prometheus.ByLabel(preset.Arm, traffic.Stable.String(), traffic.Canary.String())
	case preset.Pod:
		return byPod(r, PodLabel), nil
	case preset.Name == "traefik":
		return prometheus.ByPattern("service", traefik(r, r.StableService()), traefik(r, r.CanaryService()))
	case preset.Name == "nginx":
		return prometheus.ByPattern("canary", "", ".+")
	case preset.Name == "istio" && r.Spec.Routing.Istio != nil && r.Spec.Routing.Istio.DestinationRule != "":
		// One Service for both: the Deployments differ.
		return prometheus.ByLabel("destination_workload", r.Spec.Workload.StableName, r.Spec.Workload.Name)
	}
	return prometheus.ByLabel("destination_service_name", r.StableService(), r.CanaryService())
}

func byPod(r cluster.Rollout, label string) prometheus.Arms {
	p := &pods{r: r, now: time.Now}
	return prometheus.ByPod(label, p.arms)
}

// traefik is how Traefik calls the services it makes of a Service: by route and
// backend for the Gateway API, by Ingress and backend for Ingresses, where a
// canary's is that of stable with an ending of its own.
func traefik(r cluster.Rollout, service string) string {
	if n := r.Spec.Routing.Nginx; n != nil {
		names := regexp.QuoteMeta(r.Spec.Workload.Service) + "|" + regexp.QuoteMeta(r.StableService())
		ending := ""
		if service == r.CanaryService() {
			ending = "-canary"
		}
		return fmt.Sprintf(`%s-%s-(?:%s)-[a-z0-9]+%s@kubernetesingressnginx`,
			regexp.QuoteMeta(r.Namespace), regexp.QuoteMeta(n.Ingress), names, ending)
	}
	return fmt.Sprintf(`.*-svc-%s-%s-[0-9]+@kubernetesgateway`, regexp.QuoteMeta(r.Namespace), regexp.QuoteMeta(service))
}
