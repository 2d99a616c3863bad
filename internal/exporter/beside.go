package exporter

import (
	"math"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// beside tells of what has a say beside the evidence.
func beside(e emitter, s engine.Status) {
	acts := map[rollout.Effect]int{rollout.SignalRollback: 0, rollout.SignalHold: 0, rollout.SignalWarn: 0}
	for _, x := range s.Signals {
		acts[x.Effect]++
	}
	for effect, n := range acts {
		e.gauge("signals", float64(n), string(effect))
	}
	for _, w := range s.Watches {
		of := []string{string(w.Kind), w.Name}
		for _, state := range engine.WatchStates() {
			e.gauge("watch", truth(state == w.State), append(of[:2:2], string(state))...)
		}
		for name, x := range map[string]*float64{"watch_value": w.Value, "watch_min": w.Min, "watch_max": w.Max} {
			if x != nil {
				e.gauge(name, *x, of...)
			}
		}
	}
}

// trial tells of an experiment's arms and of the differences between them.
func trial(e emitter, x *experiment.View) {
	if x == nil {
		return
	}
	e.gauge("goal_effect_worth_having", x.MinEffect)
	for _, a := range x.Arms {
		e.gauge("arm_weight", a.Share, a.Name, a.Version)
		e.gauge("arm_closed", truth(a.Closed != ""), a.Name, a.Version)
		e.gauge("goal_trials", a.N, a.Name)
		if a.Mean != nil {
			e.gauge("goal_mean", *a.Mean, a.Name)
		}
	}
	for _, p := range x.Pairs {
		if p.Estimate == nil || math.IsInf(p.Low, 0) || math.IsInf(p.High, 0) {
			continue // nothing is known yet
		}
		e.gauge("goal_difference", *p.Estimate, p.Arm, p.Over)
		e.gauge("goal_difference_low", p.Low, p.Arm, p.Over)
		e.gauge("goal_difference_high", p.High, p.Arm, p.Over)
	}
}
