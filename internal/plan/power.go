package plan

import "math"

// splits compares constant shares of traffic at the last gate's margin.
func (r *Report) splits() {
	s := r.settings
	gate := -1
	for i := range s.plan.Steps {
		if judged(s.plan.Steps[i]) && s.plan.Steps[i].Shadow == 0 {
			gate = i
		}
	}
	if gate < 0 {
		return
	}
	at := stageOf(s.plan, gate)
	at.begins, at.first, at.horizon, at.Last, at.Factor = s.warmup, true, 100*s.horizon, true, 1
	main := r.main(at)
	if main == nil {
		return
	}
	// The regression is the smallest that the last gate is all but sure to catch.
	size := r.reference(*main, at)
	for _, w := range []float64{.01, .05, .1, .25, .5} {
		at.weight = w
		all := certain(at.horizon)
		for _, m := range r.models {
			if m.gates(at) {
				all = all.and(s.passes(m, 0, at))
			}
		}
		fails := s.fails(*main, size, at)
		t := fails.quantile(.5)
		r.Splits = append(r.Splits, Split{
			Weight: 100 * w, Passes: Seconds(s.warmup + all.quantile(.5)), Size: main.say(size),
			Fails: Seconds(s.warmup + t), Requests: math.Round(s.base.RPS * w * (s.warmup + t)),
		})
	}
}

// main is the metric that pictures and comparisons are about: the first compared.
func (r *Report) main(at stage) *namedModel {
	for i := range r.models {
		if r.models[i].compared(at) {
			return &r.models[i]
		}
	}
	return nil
}

// reference is the smallest size caught with 95% probability within MaxDuration,
// or the worst there is.
func (r *Report) reference(m namedModel, at stage) float64 {
	at.horizon = r.settings.horizon - r.settings.warmup
	if at.horizon <= 0 {
		return 1
	}
	lo, hi := 0.0, 1.0
	for range 12 {
		mid := (lo + hi) / 2
		if r.settings.fails(m, mid, at).end() >= .95 {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// powers draws the probability of being caught against the size, at each step and
// for its main metric, up to sizes that every step is sure to catch.
func (r *Report) powers() {
	s := r.settings
	type view struct {
		Step
		m      namedModel
		at     stage
		others curve
	}
	var views []view
	widest := map[string]float64{}
	for _, step := range r.Steps {
		if step.Pause != nil || !judged(s.plan.Steps[step.Index]) {
			continue
		}
		at := stageOf(s.plan, step.Index)
		at.begins, at.first, at.horizon = float64(step.Begins), len(views) == 0, s.horizon-float64(step.Begins)
		m := r.main(at)
		if m == nil || !(at.horizon > 0) {
			continue
		}
		v := view{step, *m, at, r.others(m.position(r), at)}
		views = append(views, v)
		for size := .02; size <= 1; size *= 1.25 {
			widest[m.metric.Name] = math.Max(widest[m.metric.Name], size)
			if r.caught(v.m, size, at, v.others).end() > .99 {
				break
			}
		}
	}
	for _, v := range views {
		c := Power{Step: v.Index, Weight: v.Weight, Metric: v.m.metric.Name}
		for i := range powerPoints {
			size := widest[c.Metric] * float64(i) / (powerPoints - 1)
			c.Points = append(c.Points, PowerPoint{v.m.value(size), v.m.say(size), r.caught(v.m, size, v.at, v.others).end()})
		}
		r.Power = append(r.Power, c)
	}
}

// powerPoints is how many sizes a curve of probabilities has.
const powerPoints = 41

// position is the index of a model among those foretold.
func (m *namedModel) position(r *Report) int {
	for i := range r.models {
		if r.models[i].index == m.index {
			return i
		}
	}
	return -1
}
