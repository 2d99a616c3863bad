package v1alpha1

import "time"

// defaultThreshold is the probability from which on the second of two classes is
// predicted.
const defaultThreshold = 0.5

// Default fills in everything that was left out and has a default. It is
// idempotent.
func (m *ModelRollout) Default() {
	if m.Spec.Strategy.Canary != nil {
		m.Spec.Strategy.Canary.setDefaults()
	}
	if b := m.Spec.Strategy.BlueGreen; b != nil {
		b.setDefaults()
	}
	if s := m.Spec.Strategy.Shadow; s != nil {
		s.setDefaults()
		if len(m.Spec.Analysis.Metrics) == 0 {
			m.Spec.Analysis.Metrics = []Metric{{Name: "agreement", Pairs: &Pairs{MaxDisagreement: 0.02}}}
		}
	}
	if f := m.Spec.Routing.Flag; f != nil {
		f.setDefaults(m.Name)
	}
	if e := m.Spec.Endpoints; e != nil && m.Spec.Routing.Flag == nil {
		e.Stable.setDefaults()
		e.Canary.setDefaults()
		for name, v := range e.Variants {
			v.setDefaults()
			e.Variants[name] = v
		}
	}
	if x := m.Spec.Strategy.Experiment; x != nil {
		x.setDefaults(m.Spec.variants())
		orDuration(&m.Spec.Analysis.MaxDuration, x.MaxDuration.Duration)
	}
	if g := m.Spec.Routing.Gateway; g != nil {
		g.setDefaults()
	}
	if m.Spec.Inference.Threshold == 0 {
		m.Spec.Inference.Threshold = defaultThreshold
	}
	m.Spec.Analysis.setDefaults(m.Spec.Routing.Flag == nil)
	if l := m.Spec.Analysis.Load; l != nil {
		l.setDefaults(m.Spec.Routing.StickyBy != nil)
	}
	if m.Spec.Switch != nil {
		m.Spec.Switch.setDefaults()
	}
	for i := range m.Spec.Hooks {
		m.Spec.Hooks[i].setDefaults()
	}
	for i := range m.Spec.Notifications {
		m.Spec.Notifications[i].setDefaults()
	}
}

func orDuration(p **Duration, d time.Duration) {
	if *p == nil {
		*p = &Duration{d}
	}
}

func orInt(p *int, v int) {
	if *p == 0 {
		*p = v
	}
}

func orProbability(p **Probability, v Probability) {
	if *p == nil {
		*p = &v
	}
}

func (c *Canary) setDefaults() {
	if len(c.Steps) == 0 {
		for _, w := range []Weight{5, 25, 50, 100} {
			c.Steps = append(c.Steps, Step{Weight: &w})
		}
	}
	orDuration(&c.ScaleDownDelay, 30*time.Second)
	orDuration(&c.ReadyWithin, 10*time.Minute)
}

func (e *Endpoint) setDefaults() {
	if e.Readiness == nil {
		e.Readiness = &Probe{}
	}
	e.Readiness.setDefaults()
	if e.Liveness != nil {
		e.Liveness.setDefaults()
	}
	orDuration(&e.StopGrace, 10*time.Second)
}

func (p *Probe) setDefaults() {
	orDuration(&p.Interval, 2*time.Second)
	orDuration(&p.Timeout, time.Second)
	orDuration(&p.InitialDelay, 0)
	orInt(&p.Failures, 3)
	orInt(&p.Successes, 1)
}

func (g *Gateway) setDefaults() {
	if g.FeedbackPath == "" {
		g.FeedbackPath = "/feedback"
	}
	l := &g.Limits
	orInt(&l.HeaderBytes, 64<<10)
	orInt(&l.MirrorBodyBytes, 256<<10)
	orInt(&l.ReadBodyBytes, 1<<20)
	orInt(&l.Concurrent, 4096)
	orDuration(&l.ConnectTimeout, 2*time.Second)
	orDuration(&l.ResponseTimeout, 30*time.Second)
	orDuration(&l.IdleTimeout, 90*time.Second)
}

// setDefaults fills in the rest. Requests are seen unless the split is a flag's.
func (a *Analysis) setDefaults(seen bool) {
	orProbability(&a.FalseRollbackProbability, 0.01)
	orProbability(&a.FalsePromotionProbability, 0.05)
	orDuration(&a.Interval, time.Second)
	orDuration(&a.Warmup, 90*time.Second)
	orDuration(&a.MaxDuration, 2*time.Hour)
	if a.OnDeadline == "" {
		a.OnDeadline = "Hold"
	}
	orProbability(&a.Controls.SRM, 0.001)
	if a.Controls.Dispersion == "" {
		a.Controls.Dispersion = "auto"
	}
	if len(a.Metrics) == 0 && seen {
		a.Metrics = []Metric{
			{Name: "errors", ErrorRate: &ErrorRate{}},
			{Name: "latency", Latency: &Latency{}},
		}
	}
	for i := range a.Metrics {
		a.Metrics[i].setDefaults()
	}
	for i := range a.Guardrails {
		a.Guardrails[i].setDefaults()
	}
	for i := range a.Anomalies {
		a.Anomalies[i].setDefaults()
	}
	for i := range a.Checks {
		a.Checks[i].setDefaults()
	}
}

func (m *Metric) setDefaults() {
	tolerate := Probability(0.5)
	switch {
	case m.ErrorRate != nil:
		if m.ErrorRate.MaxRatio == 0 && m.ErrorRate.MaxIncrease == nil {
			p := Points(0.001)
			m.ErrorRate.MaxRatio, m.ErrorRate.MaxIncrease = 1.25, &p
		}
	case m.Latency != nil:
		if len(m.Latency.MaxSlower) == 0 && len(m.Latency.MaxOver) == 0 {
			m.Latency.MaxSlower = map[string]Slower{"p50": {Share: 0.1}, "p99": {Share: 0.25}}
		}
	case m.Drift != nil:
		if m.Drift.Of == "" {
			m.Drift.Of = "class"
		}
		tolerate = 1
	case m.Pairs != nil:
		m.Pairs.setDefaults()
		tolerate = 1
	case m.Outcome != nil:
		if m.Outcome.MaxDecrease == nil {
			p := Points(0.01)
			m.Outcome.MaxDecrease = &p
		}
		orDuration(&m.Outcome.Maturity, 30*time.Minute)
		if m.Outcome.Missing == "" {
			m.Outcome.Missing = "unknown"
		}
	case m.Mean != nil:
		m.Mean.setDefaults()
	case m.Gauge != nil:
		orDuration(&m.Gauge.Every, 15*time.Second)
		m.Gauge.Reading.setDefaults()
	}
	orProbability(&m.Tolerate, tolerate)
}

func (m *Mean) setDefaults() {
	if (m.Of == "confidence" || m.Of == "conversion") && len(m.Bounds) == 0 {
		m.Bounds = []float64{0, 1}
	}
	if m.Of == "event" && m.Missing == "" {
		m.Missing = "zero"
	}
	if m.Event != "" {
		orDuration(&m.Maturity, 30*time.Minute)
	}
}
