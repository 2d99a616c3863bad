package experiment

import (
	"math"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
)

// gather takes note of what groups of users did on one arm, where they stay on it.
func (a *ArmState) gather(g Goal, c analysis.Counts) {
	for i, x := range c.Groups {
		if g.Kind == analysis.Outcome {
			a.Users.Add(i, g.values(analysis.Counts{N: x.N, K: x.K}))
		}
	}
	for i, x := range c.Values {
		if g.Kind != analysis.Outcome {
			a.Users.Add(i, x.Unit(g.Lower, g.Upper))
		}
	}
}

// lasting is what is known of how lastingly users differ; known is false while the
// groups of users there are have not told. Without any group requests are drawn one
// by one.
func (s State) lasting() (l stats.Lasting, grouped, known bool) {
	users := make([]stats.Clusters, len(s.Arms))
	for i, a := range s.Arms {
		users[i] = a.Users
		grouped = grouped || len(a.Users.Groups) > 0
	}
	if !grouped {
		return l, false, true
	}
	l, known = stats.Differ(users...)
	return l, true, known
}

// whose is by how much two arms differ at most, with probability 1−alpha, for who
// their users are: in units of the goal; infinite while that is not known. apart is
// false where requests are drawn one by one.
func (s State) whose(g Goal, i, j int, alpha float64) (gap float64, apart bool) {
	l, grouped, known := s.lasting()
	switch {
	case !grouped:
		return 0, false
	case !known || len(s.Arms[i].Users.Groups) == 0 || len(s.Arms[j].Users.Groups) == 0:
		return math.Inf(1), true
	}
	return l.Between(alpha, s.Arms[i].Users, s.Arms[j].Users) * g.span(), true
}

// tooFew says that users are too few to tell arms apart by them, "" if they are
// not.
func (s State) tooFew() string {
	l, grouped, known := s.lasting()
	if !grouped || known {
		return ""
	}
	if l.Freedom >= stats.FewClusters {
		return "users stay on their arm, and so few values of each are in that how much they differ is not known yet"
	}
	return "users stay on their arm, and are too few to tell the arms from who is on them: wait for more of them, or decide by hand"
}
