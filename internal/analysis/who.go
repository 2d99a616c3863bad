package analysis

import (
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

// addValues takes note of a block's values by group.
func (u *users) addValues(x Measure) {
	for arm, c := range [2]Counts{x.Stable, x.Canary} {
		if len(c.Values) == 0 {
			continue
		}
		if u.Values == nil {
			u.Values = &[2]stats.Clusters{}
		}
		u.Groups = max(u.Groups, len(c.Values))
		for g, v := range c.Values {
			u.Values[arm].Add(g, v)
		}
	}
}

// checkValues reports why the values of c by group cannot be its values.
func checkValues(c Counts) string {
	if len(c.Values) > maxGroups {
		return tooMany(len(c.Values))
	}
	n := 0.0
	for _, v := range c.Values {
		if !(v.N >= 0) || math.IsNaN(v.Sum+v.SumSq) || math.IsInf(v.Sum+v.SumSq, 0) || v.SumSq < 0 {
			return "groups of users with values that cannot be"
		}
		n += v.N
	}
	if n > float64(c.N) {
		return "the groups of users have more values between them than there are"
	}
	return ""
}

// gap is what is believed of the difference of two cohorts' means under one
// version: who the users are, in units of the value.
type gap struct {
	lasting stats.Lasting
	uneven  float64
	unknown bool // as long as it is, nothing is decided by the mean
}

// gap returns what is believed of the users that a share w takes to the canary.
func (u *users) gap(w float64) gap {
	if u.Values == nil {
		return gap{unknown: true}
	}
	load := make(stats.Groups, u.Groups)
	for _, arm := range u.Values {
		for _, g := range arm.Groups {
			load[g.Group].N += g.N
		}
	}
	lasting, ok := stats.Differ(u.Values[0], u.Values[1])
	return gap{lasting, load.Parted(w), !ok}
}

// who adds to w what is believed of the users that a share takes to the canary.
func (u *users) who(w who, m Metric, share float64) who {
	w.cohort = u.cohort(share)
	if m.Kind == Mean {
		w.gap = u.gap(share)
		if !m.Unbounded { // values are mapped onto [0,1]
			w.gap.lasting.Variance /= (m.Upper - m.Lower) * (m.Upper - m.Lower)
		}
	}
	return w
}

// most is how far the cohorts' means lie apart at most to one side, with
// probability 1−p.
func (g gap) most(p float64) float64 {
	return g.lasting.Most(p, g.uneven)
}

// who is the part that users play in a comparison: by which ratios the canary may
// differ for who its users are, at the error probabilities set apart for that.
type who struct {
	sticky bool
	cohort stats.Cohort // of shares
	gap    gap          // of means
	alpha  float64      // of a rollback and of a promotion together with the evidence,
	beta   float64      // which has the other half of each
}

// rollback returns the line that a canary has to be beyond although its users may
// be the worse ones.
func (w who) rollback(n stats.Null) stats.Null {
	if w.sticky {
		n.Ratio *= w.cohort.Ratio(w.alpha / 2)
		n.Shift += w.worse()
	}
	return n
}

// promotion returns the line that a canary has to be under although its users may
// be the better ones.
func (w who) promotion(n stats.Null) stats.Null {
	if w.sticky {
		n.Ratio *= w.cohort.Ratio(1 - w.beta/2)
		n.Shift -= w.better()
	}
	return n
}

// worse and better are by how much the mean of the canary's users may be off for
// who they are, against a rollback and against a promotion.
func (w who) worse() float64 {
	if !w.sticky {
		return 0
	}
	return w.gap.most(w.alpha / 2)
}

func (w who) better() float64 {
	if !w.sticky {
		return 0
	}
	return w.gap.most(w.beta / 2)
}

// spread puts into a mean's evidence and interval what may be due to who the users
// are; scale is the width of what values were mapped onto [0,1] from.
func (w who) spread(out *summary, scale float64) {
	if !w.sticky {
		return
	}
	if w.gap.unknown {
		out.waiting = "more users, or more values of each, to know how much they differ"
		out.rollback, out.promotion = math.Min(out.rollback, 0), math.Min(out.promotion, 0)
		out.effect.Low, out.effect.High, out.effect.Always = 0, 0, false
		return
	}
	// Half of each error probability went into who the users may be.
	out.rollback -= math.Ln2
	out.promotion -= math.Ln2
	if out.effect.Always {
		off := w.gap.most(displayed/4) * scale
		out.effect.Low, out.effect.High = out.effect.Low-off, out.effect.High+off
	}
	if off := w.worse() * scale; off > 0 {
		out.note = " (users stay on their arm: " + number(off) + " can be due to who they are)"
	}
}

// widen puts into an interval of the difference what may be due to who the users
// are. rate is stable's.
func (w who) widen(e *Effect, rate float64) {
	if !w.sticky || !e.Always {
		return
	}
	worse, better := w.cohort.Ratio(displayed/4), w.cohort.Ratio(1-displayed/4)
	e.Low = max(-1, e.Low-rate*max(0, worse-1))
	e.High = min(1, e.High+rate*max(0, 1-better))
}

// note says what cannot be told apart, if that is much.
func (w who) note() string {
	if !w.sticky {
		return ""
	}
	worse := w.cohort.Ratio(w.alpha / 2)
	if worse < 1.05 {
		return ""
	}
	return " (users stay on their arm: up to " + number(significant(worse, 2)) + " times as many can be due to who they are)"
}
