package analysis

import (
	"fmt"
	"math"
	"slices"

	"github.com/haldane-dev/haldane/internal/stats"
)

// maxGroups bounds the groups of users kept, and so the state.
const maxGroups = 256

// users is what is known of how lastingly users differ, where they stay on their
// arm. Differences between users who stay put never average out: a canary can look
// worse for good because of who was put on it.
type users struct {
	Before []stats.Count `json:"before,omitempty"` // by group, from when stable served everybody
	Stable []stats.Count `json:"stable"`           // by group, all that stable served
	Canary []stats.Count `json:"canary,omitempty"` // by group, all that the canary served
	Spread float64       `json:"spread"`           // of groups' rates, when last enough of them told
	Known  bool          `json:"known"`            // that they ever did
	// Freedom are the differences that told; 0 in a state from before they were counted.
	Freedom float64 `json:"freedom,omitempty"`
}

// assumedSpread is the variance of the logarithm of a group's rate that is
// reckoned with until stable has failed often enough to tell: groups a standard
// deviation apart differ seven times. A stable version that never fails never
// tells, and must not keep a canary that always fails from being taken back.
const assumedSpread = 4

func (u users) clone() users {
	u.Before, u.Stable, u.Canary = slices.Clone(u.Before), slices.Clone(u.Stable), slices.Clone(u.Canary)
	return u
}

// checkGroups reports why the groups of c cannot be its trials and hits.
func checkGroups(c Counts) string {
	if len(c.Groups) > maxGroups {
		return fmt.Sprintf("%d groups of users where %d are the most", len(c.Groups), maxGroups)
	}
	sum := Group{}
	for i, g := range c.Groups {
		if g.N < 0 || g.K < 0 || g.K > g.N {
			return fmt.Sprintf("%d hits in %d trials in group %d of the users", g.K, g.N, i)
		}
		sum.N, sum.K = sum.N+g.N, sum.K+g.K
	}
	if sum.N > c.N || sum.K > c.K {
		return fmt.Sprintf("the groups of users have %d hits in %d trials between them, more than the %d in %d of all", sum.K, sum.N, c.K, c.N)
	}
	return ""
}

// add takes note of a block while the canary's share is w.
func (u *users) add(x Measure, w float64) {
	if len(x.Before) > 0 {
		u.Before = nil
		gather(&u.Before, x.Before)
		u.Stable = nil
		gather(&u.Stable, x.Before)
	}
	if w <= 0 && x.Canary.trials() == 0 {
		gather(&u.Before, x.Stable.Groups)
	}
	gather(&u.Stable, x.Stable.Groups)
	gather(&u.Canary, x.Canary.Groups)
	// Groups that have left stable were served for less time than the others.
	first := min(int(math.Ceil(float64(len(u.Stable))*w)), len(u.Stable))
	if l, ok := stats.RatesDiffer(u.Stable[first:], u.Canary); ok {
		u.Spread, u.Freedom, u.Known = l.Variance, l.Freedom, true
	}
}

// gather adds counts by group.
func gather(to *[]stats.Count, groups []Group) {
	for len(*to) < len(groups) {
		*to = append(*to, stats.Count{})
	}
	for i, g := range groups {
		(*to)[i] = (*to)[i].Plus(stats.Count{N: float64(g.N), K: float64(g.K)})
	}
}

// cohort returns what is believed of the users that a share w takes to the canary.
func (u *users) cohort(w float64) stats.Cohort {
	spread := stats.Lasting{Variance: u.Spread, Freedom: u.Freedom}
	if !u.Known {
		spread = stats.Lasting{Variance: assumedSpread}
	}
	load := make(stats.Groups, max(len(u.Stable), len(u.Canary)))
	copy(load, u.Stable)
	for i, c := range u.Canary {
		load[i] = load[i].Plus(c)
	}
	return stats.Compare(spread, w, u.Before, load)
}

// few reports whether the canary's hits may all be those of a few users who would
// have them under any version: that so many of the groups with a hit are on the
// canary happens by the draw of who is there with a probability above alpha. Once
// stable's groups tell how much users differ, that is reckoned with in the evidence
// itself; and most of a cohort's requests do not fail for a few users' sake.
func (u *users) few(alpha float64) bool {
	if u.Known {
		return false
	}
	var all stats.Count
	groups, canary, hit, canaryHit := 0, 0, 0, 0
	count := func(c stats.Count) (is int) {
		if c.K > 0 {
			is = 1
		}
		groups++
		hit += is
		return is
	}
	for g := range max(len(u.Stable), len(u.Canary)) {
		switch {
		case g < len(u.Canary) && u.Canary[g].N > 0:
			all = all.Plus(u.Canary[g])
			canary++
			canaryHit += count(u.Canary[g])
		case g < len(u.Stable) && u.Stable[g].N > 0:
			count(u.Stable[g])
		}
	}
	return 2*all.K < all.N && stats.Drawn(canaryHit, canary, hit, groups) > alpha
}

// who is the part that users play in a comparison: by which ratios the canary may
// differ for who its users are, at the error probabilities set apart for that.
type who struct {
	sticky bool
	cohort stats.Cohort
	alpha  float64 // of a rollback and of a promotion together with the evidence,
	beta   float64 // which has the other half of each
}

// rollback returns the line that a canary has to be beyond although its users may
// be the worse ones.
func (w who) rollback(n stats.Null) stats.Null {
	if w.sticky {
		n.Ratio *= w.cohort.Ratio(w.alpha / 2)
	}
	return n
}

// promotion returns the line that a canary has to be under although its users may
// be the better ones.
func (w who) promotion(n stats.Null) stats.Null {
	if w.sticky {
		n.Ratio *= w.cohort.Ratio(1 - w.beta/2)
	}
	return n
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
	return " (users stay on their arm: up to " + number(worse) + " times as many can be due to who they are)"
}
