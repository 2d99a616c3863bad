package rollout

import (
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// defaultReadyWithin is how long a candidate may take to become ready if the
// plan does not say.
const defaultReadyWithin = 10 * time.Minute

// Below these weights promotion margins are widened by default: few users see
// the candidate there, and a wide margin is shown with little data.
const (
	lowWeight  = 20 * traffic.Full / 100 // margins × 4 below
	halfWeight = 50 * traffic.Full / 100 // margins × 2 below
)

func (p Plan) readyWithin() time.Duration {
	if p.ReadyWithin <= 0 {
		return defaultReadyWithin
	}
	return p.ReadyWithin
}

// full reports whether step s sends all traffic to the candidate, for good.
func (s Step) full() bool { return s.Weight >= traffic.Full && s.For == 0 }

// gated reports whether step s is judged by comparison: a weight below 100%, or
// a shadow.
func (s Step) gated() bool { return s.Shadow > 0 || s.Weight > 0 && s.Weight < traffic.Full }

// bakes reports whether a step at 100% takes its time before the promotion.
func (s Step) bakes() bool { return s.Weight >= traffic.Full && s.For > 0 }

// lastGate returns the index of the step whose Pass allows all traffic: the
// last weight step before 100% or, in a plan without one, the last shadow
// step; −1 if nothing is ever judged.
func (p Plan) lastGate() int {
	last := -1
	for i, s := range p.Steps {
		switch {
		case s.full():
			return last
		case !s.gated():
		case last < 0, s.Weight > 0, p.Steps[last].Shadow > 0:
			last = i
		}
	}
	return last
}

// step returns the current step, the zero Step past the last one.
func (s State) step() Step {
	if s.Step < 0 || s.Step >= len(s.Plan.Steps) {
		return Step{}
	}
	return s.Plan.Steps[s.Step]
}

// inForce returns the index of the step whose weight or mirror is in force:
// the current one or, at a pause, the last judged one before it; −1 if a pause
// comes before all of them.
func (s State) inForce() int {
	i := min(s.Step, len(s.Plan.Steps)-1)
	for i >= 0 && s.Plan.Steps[i].Pause != nil {
		i--
	}
	return i
}

// StageOf returns what a block taken under s is evidence for: the step whose
// weight is in force, which at a pause is the judged step before it. Its
// margin factor is the step's own or, by default, 4 below 20%, 2 below 50%,
// else 1; 1 for a mirror, whose limits are absolute, and always 1 at the last
// gate. What is not judged, like
// a pause before any judged step, has Index −1 and is evidence for none.
func StageOf(s State) analysis.Stage {
	i := s.inForce()
	if i < 0 || !s.Plan.Steps[i].gated() && !s.Plan.Steps[i].full() {
		return analysis.Stage{Index: -1, Factor: 1}
	}
	step, last := s.Plan.Steps[i], i == s.Plan.lastGate()
	return analysis.Stage{
		Index:  i,
		Factor: factor(step, last),
		Last:   last,
		Shadow: step.Shadow > 0,
	}
}

func factor(s Step, last bool) float64 {
	switch {
	case last, s.full():
		return 1
	case s.Factor >= 1:
		return s.Factor
	case s.Shadow > 0:
		return 1
	case s.Weight < lowWeight:
		return 4
	case s.Weight < halfWeight:
		return 2
	}
	return 1
}
