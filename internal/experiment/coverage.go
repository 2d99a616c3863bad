package experiment

import (
	"fmt"

	"github.com/haldane-dev/haldane/internal/stats"
)

// falseSelective is the probability that labels which come alike on all arms are
// ever said not to.
const falseSelective = 0.001

// shifts are the differences of coverage that are looked for, in odds.
var shifts = stats.Shifts()

func (l *Coverage) clone() *Coverage {
	c := *l
	c.More, c.Less = c.More.Clone(), c.Less.Clone()
	return &c
}

// cover takes note of how many predictions of a block brought a label, on the
// first arm and on the second. If labels come oftener on one, they may come for
// other predictions than they do on the other, and what they say of the two
// cannot be compared.
func (p *PairState) cover(first, second stats.Count) {
	if first.N <= 0 || second.N <= 0 {
		return
	}
	if p.Labels == nil {
		p.Labels = &Coverage{More: stats.NewProcess(len(shifts.Odds), stats.Once), Less: stats.NewProcess(len(shifts.Odds), stats.Once)}
	}
	l := p.Labels
	if l.Past[0].N > 0 { // a bet is based on what came before
		x := stats.Block{Stable: first, Canary: second}
		past := (l.Past[0].K + .5) / (l.Past[0].N + 1)
		var more, less [4]float64
		bet := stats.Bet{Null: stats.Equal, Side: stats.Rollback, Odds: shifts.Odds}
		bet.Factors(more[:], x, past)
		bet.Factors(less[:], x.Misses(), 1-past)
		t := stats.Temper{Phi: 1}
		l.More.Advance(more[:], t, stats.Once, 0)
		l.Less.Advance(less[:], t, stats.Once, 0)
	}
	l.Past[0], l.Past[1] = l.Past[0].Plus(first), l.Past[1].Plus(second)
}

// selective says on which open arms labels are found to come unequally often, ""
// if on none.
func (s State) selective(c Config) string {
	need := -stats.Log(falseSelective / float64(max(1, len(s.Pairs))))
	for j := 1; j < len(c.Arms); j++ {
		for i := range j {
			l := s.Pairs[pair(i, j)].Labels
			if l == nil || !s.Open(i) || !s.Open(j) {
				continue
			}
			e := stats.LogMean(l.More.LogE(shifts.Shares, stats.Once), l.Less.LogE(shifts.Shares, stats.Once))
			if e >= need {
				return fmt.Sprintf("labels come for %.3g%% of the predictions of %s and for %.3g%% of those of %s: the arms cannot be compared by them",
					100*l.Past[0].Share(), c.Arms[i].Name, 100*l.Past[1].Share(), c.Arms[j].Name)
			}
		}
	}
	return ""
}
