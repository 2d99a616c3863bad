package v1alpha1

import (
	"fmt"
	"slices"
)

func (v *validator) strategy(spec *Spec) {
	const path = "spec.strategy"
	s := &spec.Strategy
	if !v.one(path, map[string]bool{
		"canary": s.Canary != nil, "blueGreen": s.BlueGreen != nil,
		"shadow": s.Shadow != nil, "experiment": s.Experiment != nil,
	}, "canary", "blueGreen", "shadow", "experiment") {
		return
	}
	switch {
	case s.Experiment != nil:
		v.experiment(path+".experiment", spec)
	case s.Canary != nil:
		v.steps(path+".canary.steps", s.Canary.Steps)
		v.mirrors(path+".canary.steps", s.Canary.Steps, spec.Analysis.Metrics)
	case s.BlueGreen != nil:
		v.blueGreen(path+".blueGreen", spec)
	case s.Shadow != nil:
		v.shadow(path+".shadow", spec)
	}
}

// mirrors demands something to judge the first mirror by.
func (v *validator) mirrors(path string, steps []Step, metrics []Metric) {
	if i := slices.IndexFunc(steps, func(s Step) bool { return s.Shadow != nil }); i >= 0 {
		v.judged(fmt.Sprintf("%s[%d].shadow", path, i), metrics)
	}
}

func (v *validator) steps(path string, steps []Step) {
	last, gates := Weight(0), 0
	for i := range steps {
		at, s := fmt.Sprintf("%s[%d]", path, i), &steps[i]
		if !v.one(at, map[string]bool{"weight": s.Weight != nil, "pause": s.Pause != nil, "shadow": s.Shadow != nil},
			"weight", "pause", "shadow") {
			continue
		}
		if s.Margin != 0 && (s.Weight == nil || s.Margin < 1) {
			v.add(at+".margin", "must be 1 or more, at a weight step: promotion margins are multiplied by it")
		}
		switch {
		case s.Shadow != nil:
			if s.Shadow.Percent <= 0 {
				v.add(at+".shadow.percent", "mirrors nothing: write 1 to 100")
			}
			gates++
		case s.Weight != nil:
			v.rung(at+".weight", *s.Weight, last, i == len(steps)-1)
			if *s.Weight < 100 {
				gates++
			}
			last = *s.Weight
		case s.Pause.For != nil && s.Pause.For.Duration == 0:
			v.add(at+".pause.for", "is no time: write one, or pause: {} to wait for a person")
		}
	}
	if last != 100 {
		v.add(path, "end at %s%%: the last step must be {weight: 100}", trim(float64(last)))
	}
	if gates == 0 {
		v.add(path, "compare nothing: put at least one step below 100 before it, so that there is evidence to promote on")
	}
}

func (v *validator) rung(path string, w, last Weight, end bool) {
	switch {
	case w == last:
		v.add(path, "stays at %s%%: weights must rise from step to step", trim(float64(w)))
	case w < last:
		v.add(path, "falls from %s%% to %s%%: weights must rise from step to step", trim(float64(last)), trim(float64(w)))
	case w == 100 && !end:
		v.add(path, "is 100%% before the end: nothing can be compared after it")
	}
}
