package experiment

import (
	"math"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// View is an experiment as people are shown it.
type View struct {
	Arms       []ArmView     `json:"arms"`
	Pairs      []PairView    `json:"pairs"`
	Confidence float64       `json:"confidence"` // that all intervals hold at all times
	Unit       string        `json:"unit"`       // of the goal: "share" or "value"
	MinEffect  float64       `json:"minEffect"`
	Finding    Finding       `json:"finding"`
	Thompson   bool          `json:"thompson,omitempty"`
	Duration   time.Duration `json:"duration"` // for which its traffic has flowed
}

// ArmView is one arm.
type ArmView struct {
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Share    float64           `json:"share"` // of random traffic, in [0,1]
	N        float64           `json:"n"`     // values of the goal
	Mean     *float64          `json:"mean"`  // of the goal; nil without values
	Labelled *float64          `json:"labelled,omitempty"`
	Best     float64           `json:"best,omitempty"`    // the probability of being the best, once weights follow it
	Verdict  analysis.Decision `json:"verdict,omitempty"` // of the ordinary metrics against the control
	Reason   string            `json:"reason,omitempty"`  // of Verdict, in a sentence
	Closed   string            `json:"closed,omitempty"`  // why it has no more traffic
}

// PairView is the difference Arm − Over of the goal.
type PairView struct {
	Arm      string   `json:"arm"`
	Over     string   `json:"over"`
	Estimate *float64 `json:"estimate"` // nil while an arm has no values
	Low      float64  `json:"low"`
	High     float64  `json:"high"`
	// Users is how much of the interval, to either side, is set apart for who the
	// arms' users are; nil if they do not stay, or if it is not known yet.
	Users *float64 `json:"users,omitempty"`
}

// Show draws an experiment whose traffic has flowed for so long.
func Show(c Config, s State, elapsed time.Duration) View {
	if len(s.Arms) != len(c.Arms) {
		s = Begin(c)
	}
	v := View{Confidence: c.Confidence, MinEffect: c.Goal.MinEffect, Unit: "value", Thompson: c.Thompson,
		Finding: Judge(c, s, elapsed), Duration: elapsed}
	if c.Goal.share() {
		v.Unit = "share"
	}
	for i, arm := range c.Arms {
		a := s.Arms[i]
		one := ArmView{Name: arm.Name, Version: arm.Version, Share: traffic.SlotShare(s.Slots, traffic.Arm(i)).Share(), N: a.Total.N,
			Mean: c.Goal.mean(a.Total), Best: a.Best, Closed: a.Closed, Verdict: a.Verdict.Decision, Reason: a.Verdict.Reason}
		if a.Predicted > 0 {
			l := a.Total.N / a.Predicted
			one.Labelled = &l
		}
		v.Arms = append(v.Arms, one)
	}
	for j := 1; j < len(c.Arms); j++ {
		for i := range j {
			x := Interval(c, s, i, j)
			p := PairView{Arm: c.Arms[j].Name, Over: c.Arms[i].Name, Low: x.Low, High: x.High}
			if users, apart := s.whose(c.Goal, i, j, (1-c.Confidence)/float64(2*len(s.Pairs))); apart && !math.IsInf(users, 1) {
				p.Users = &users
			}
			if a, b := v.Arms[i].Mean, v.Arms[j].Mean; a != nil && b != nil {
				d := *b - *a
				p.Estimate = &d
			}
			v.Pairs = append(v.Pairs, p)
		}
	}
	return v
}

// mean returns an arm's mean in units of the goal.
func (g Goal) mean(m stats.Moments) *float64 {
	if m.N <= 0 {
		return nil
	}
	x := m.Mean()
	if g.Kind != analysis.Outcome {
		x = g.Lower + x*(g.Upper-g.Lower)
	}
	return &x
}
