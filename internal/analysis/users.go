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
	// Groups are how many there are, of what has values.
	Groups int `json:"groups,omitempty"`
	// Values are those of stable's and of the canary's users, of what has values.
	Values *[2]stats.Clusters `json:"values,omitempty"`
}

// assumedSpread is the variance of the logarithm of a group's rate that is
// reckoned with until stable has failed often enough to tell: groups a standard
// deviation apart differ seven times. A stable version that never fails never
// tells, and must not keep a canary that always fails from being taken back.
const assumedSpread = 4

func (u users) clone() users {
	u.Before, u.Stable, u.Canary = slices.Clone(u.Before), slices.Clone(u.Stable), slices.Clone(u.Canary)
	if u.Values != nil {
		u.Values = &[2]stats.Clusters{u.Values[0].Clone(), u.Values[1].Clone()}
	}
	return u
}

// checkGroups reports why the groups of c cannot be its trials and hits.
func checkGroups(c Counts) string {
	if len(c.Groups) > maxGroups {
		return tooMany(len(c.Groups))
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

func tooMany(groups int) string {
	return fmt.Sprintf("%d groups of users where %d are the most", groups, maxGroups)
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
	u.addValues(x)
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
