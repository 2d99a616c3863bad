package plan

import (
	"fmt"
	"math"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Report is what a rollout can be expected to do. Times are in seconds; one that
// is not expected within MaxDuration is null in JSON.
type Report struct {
	Rollout     string       `json:"rollout"`
	RPS         float64      `json:"rps"`
	MaxDuration float64      `json:"maxDuration"`
	Warmup      float64      `json:"warmup"`
	Steps       []Step       `json:"steps"`
	Promotion   Promotion    `json:"promotion"`
	Splits      []Split      `json:"splits"`
	Power       []Power      `json:"power"`
	Problems    []Problem    `json:"problems,omitempty"` // margins that cannot be decided in time
	Warnings    []string     `json:"warnings,omitempty"`
	Unforeseen  []string     `json:"unforeseen,omitempty"` // metrics without a baseline
	settings    *settings    // what it was made with, for Advise
	models      []namedModel // of the metrics foretold
}

// Step is one rung of the ladder.
type Step struct {
	Index   int       `json:"index"`
	Weight  float64   `json:"weight"` // percent of traffic, or of traffic mirrored
	Shadow  bool      `json:"shadow,omitempty"`
	Pause   *Duration `json:"pause,omitempty"` // seconds; null-valued for a person's approval
	Margin  float64   `json:"margin"`          // promotion margins are multiplied by this
	Last    bool      `json:"last"`
	Begins  Seconds   `json:"begins"`          // when a healthy canary is expected here
	Least   Seconds   `json:"least,omitempty"` // how long it takes at least
	Passes  Times     `json:"passes"`          // how long a healthy canary takes to pass
	Metrics []Metric  `json:"metrics,omitempty"`
}

// Duration is a timed pause; a pause for a person has no length.
type Duration struct {
	Seconds Seconds `json:"seconds"`
}

// Times is when something is expected: half of the time, and nine times of ten.
type Times struct {
	Half Seconds `json:"half"`
	Most Seconds `json:"most"`
}

// Metric is what one metric does at one step.
type Metric struct {
	Name   string `json:"name"`
	Gates  bool   `json:"gates"`
	Passes Times  `json:"passes"`   // of a healthy canary
	Four   Caught `json:"caught80"` // the smallest regression caught with 80% probability
	Most   Caught `json:"caught95"` // and with 95%
	Limit  string `json:"margin"`   // what a canary must be shown to stay under here
}

// Caught is a regression and what becomes of it at a step: how probable it is
// that it is taken back before it passes and before the time is up.
type Caught struct {
	Size        string  `json:"size"`  // in words; "" if no regression is caught so surely
	Value       float64 `json:"value"` // on the metric's scale
	Probability float64 `json:"probability"`
	Fails       Seconds `json:"fails"` // the median time until it is taken back, of those that are
}

// Promotion is how long a healthy canary takes from first to last.
type Promotion struct {
	Times
	InTime float64 `json:"inTime"` // probability of ending within MaxDuration
}

// Split is what one constant share of traffic would cost at the last gate's
// margin, for a regression of a size that is the same for all splits.
type Split struct {
	Weight   float64 `json:"weight"`
	Passes   Seconds `json:"passes"`   // median, of a healthy canary
	Size     string  `json:"size"`     // the regression
	Fails    Seconds `json:"fails"`    // median until it is taken back
	Requests float64 `json:"requests"` // canary requests until then
}

// Power is the probability of catching a regression at one step, by its size.
type Power struct {
	Step   int          `json:"step"`
	Weight float64      `json:"weight"`
	Metric string       `json:"metric"`
	Points []PowerPoint `json:"points"`
}

// PowerPoint is one size.
type PowerPoint struct {
	Value       float64 `json:"value"`
	Size        string  `json:"size"`
	Probability float64 `json:"probability"`
}

// Seconds is a time that may never come, which is null in JSON.
type Seconds float64

// MarshalJSON writes a number with a tenth of a second, or null.
func (s Seconds) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(s), 0) || math.IsNaN(float64(s)) {
		return []byte("null"), nil
	}
	return fmt.Appendf(nil, "%.1f", float64(s)), nil
}

// String writes it for people.
func (s Seconds) String() string { return span(float64(s)) }

// settings is everything that a forecast is made from.
type settings struct {
	plan     rollout.Plan
	base     Baseline
	bounds   []bound
	warmup   float64
	horizon  float64
	timeline []phase // of the shares of traffic, as far as it is known
}

// bound is the evidence that one metric alone has to reach.
type bound struct{ rollback, promotion float64 }

// namedModel is a metric that can be foretold.
type namedModel struct {
	index  int
	metric analysis.Metric
	habit  Habit
	model
}

// Forecast foretells a rollout. The error says which part of the baseline cannot
// be; what cannot be decided in time is no error, but in Problems.
func Forecast(p rollout.Plan, b Baseline) (*Report, error) {
	r, err := forecast(p, b)
	if err != nil {
		return nil, err
	}
	r.splits()
	r.powers()
	r.advise()
	return r, nil
}

// forever stands for no limit of time.
const forever = 30 * 24 * time.Hour

func (b Baseline) checkRPS() error {
	if !(b.RPS > 0) || math.IsInf(b.RPS, 1) {
		return fmt.Errorf("%g requests a second: write how many there are", b.RPS)
	}
	return nil
}

func forecast(p rollout.Plan, b Baseline) (*Report, error) {
	if err := b.checkRPS(); err != nil {
		return nil, err
	}
	duration := p.MaxDuration
	if duration <= 0 {
		duration = forever
	}
	s := &settings{
		plan: p, base: b, bounds: bounds(p.Analysis),
		warmup: p.Analysis.Warmup.Seconds(), horizon: duration.Seconds(),
	}
	r := &Report{
		Rollout: string(p.Name), RPS: b.RPS, MaxDuration: s.horizon, Warmup: s.warmup, settings: s,
	}
	var err error
	if r.models, r.Unforeseen, err = modelsOf(p.Analysis.Metrics, b.Habits); err != nil {
		return nil, err
	}
	if len(r.models) == 0 {
		return nil, fmt.Errorf("there is a baseline for none of the metrics: %v", r.Unforeseen)
	}
	r.ladder()
	return r, nil
}

// modelsOf returns the metrics that there is a baseline for, and the names of the
// others.
func modelsOf(metrics []analysis.Metric, habits map[string]Habit) (out []namedModel, unforeseen []string, err error) {
	for i, m := range metrics {
		h, ok := habits[m.Name]
		if !ok {
			unforeseen = append(unforeseen, m.Name)
			continue
		}
		model, err := newModel(m, h)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, namedModel{i, m, h, model})
	}
	return out, unforeseen, nil
}

// bounds asks the analysis itself how much evidence each metric needs.
func bounds(cfg analysis.Config) []bound {
	_, v := analysis.Step(cfg, analysis.State{}, analysis.Sample{Block: 1})
	out := make([]bound, len(v.Metrics))
	for i, m := range v.Metrics {
		out[i] = bound{m.RollbackThreshold, m.PromotionThreshold}
	}
	return out
}

// stage is one judged step as a forecast sees it.
type stage struct {
	analysis.Stage
	weight  float64 // share in [0,1]; of a mirror, of what is mirrored
	control float64 // stable's share; 0: all that is left
	first   bool    // no evidence before it
	begins  float64
	horizon float64 // how long it may last
}

// pace says how evidence of a metric comes in at a stage.
func (s *settings) pace(m namedModel, at stage, r rates) pace {
	interval := math.Max(s.plan.Analysis.Interval.Seconds(), 1e-3)
	arms := 1 - math.Exp(-r.canary*interval)
	if m.metric.Kind != analysis.Pairs {
		arms *= 1 - math.Exp(-r.stable*interval)
	}
	k := pace{block: interval / math.Max(arms, 1e-12), temper: s.plan.Analysis.Dispersion, fresh: at.first, spread: s.base.Dispersion}
	k.single = m.metric.Kind == analysis.Pairs
	trials := r.stable
	if k.single {
		trials = r.canary
	}
	k.stretch = math.Max(k.block, hitsPerStretch/(math.Max(trials, bestRate)*math.Min(m.hits(), .25)))
	k.before = s.warmup
	if !at.first {
		k.before = at.begins
	}
	return k
}

// rates returns the trials a second of a metric.
func (s *settings) rates(m namedModel, at stage) rates {
	n := s.base.RPS * m.habit.perRequest()
	stable := at.control
	switch {
	case m.metric.Kind == analysis.Pairs:
		stable = 0
	case stable == 0:
		stable = 1 - at.weight
	}
	return rates{n * stable, n * at.weight}
}

// delay is how late a metric's counts come.
func (m namedModel) delay() float64 { return m.habit.Maturity.Seconds() }

// compared reports whether a metric's counts are a comparison at a stage, and
// gates whether it must pass there.
func (m namedModel) compared(at stage) bool {
	return at.Shadow == (m.metric.Kind == analysis.Pairs)
}

func (m namedModel) gates(at stage) bool {
	return m.compared(at) && (m.metric.Kind != analysis.Outcome || at.Last)
}

// passes is the law of a metric's pass, for a canary of some size.
func (s *settings) passes(m namedModel, size float64, at stage) curve {
	r := s.rates(m, at)
	out := certain(at.horizon)
	k := s.pace(m, at, r)
	k.passes = true
	all := m.promotion(size, at.Factor, r)
	for i, p := range all {
		walk := s.walks(m, at, r, true, func(x model) process {
			if len(all) == 1 {
				return x.promotion(size, at.Factor, r)[i]
			}
			return p
		})
		out = out.and(s.curveOf(m, walk, s.bounds[m.index].promotion, at, k))
	}
	return out
}

// fails is the law of a metric's rollback, passes aside.
func (s *settings) fails(m namedModel, size float64, at stage) curve {
	r := s.rates(m, at)
	walk := s.walks(m, at, r, false, func(x model) process { return x.rollback(size, r) })
	return s.curveOf(m, walk, s.bounds[m.index].rollback, at, s.pace(m, at, r))
}

// stageOf is what blocks at a step are evidence for.
func stageOf(p rollout.Plan, i int) stage {
	at := stage{Stage: rollout.StageOf(rollout.State{Plan: p, Step: i})}
	at.weight = p.Steps[i].Weight.Share()
	if at.Shadow {
		at.weight = p.Steps[i].Shadow.Share()
	}
	return at
}

// judged reports whether a step is left by what it shows.
func judged(s rollout.Step) bool { return s.Shadow > 0 || s.Weight > 0 && s.Weight < traffic.Full }
