package feedback

import (
	"sync/atomic"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// Tally is what a ledger saw since its process began, for people to look at.
type Tally struct {
	Items     map[Status]int64       // by what became of them
	Predicted [traffic.MaxArms]int64 // predictions told of
	Labelled  [traffic.MaxArms]int64 // labels accepted
	Valued    [traffic.MaxArms]int64 // values accepted
	Unindexed int64                  // request IDs not kept, because too many waited or too long
}

type tallies struct {
	items     [len(statuses)]atomic.Int64
	predicted [traffic.MaxArms]atomic.Int64
	labelled  [traffic.MaxArms]atomic.Int64
	valued    [traffic.MaxArms]atomic.Int64
	unindexed atomic.Int64
}

// count takes a post that is on disk.
func (t *tallies) count(p *post) {
	for _, s := range p.statuses {
		for i, name := range statuses {
			if s == name {
				t.items[i].Add(1)
			}
		}
	}
	for c, n := range p.cells {
		t.labelled[c.arm].Add(n.labelled)
		t.valued[c.arm].Add(n.value.N)
	}
}

// Tally returns the counts since the ledger was opened.
func (l *Ledger) Tally() Tally {
	t := Tally{Items: map[Status]int64{}, Unindexed: l.tallies.unindexed.Load()}
	for i, name := range statuses {
		if n := l.tallies.items[i].Load(); n > 0 {
			t.Items[name] = n
		}
	}
	for arm := range t.Predicted {
		t.Predicted[arm] = l.tallies.predicted[arm].Load()
		t.Labelled[arm] = l.tallies.labelled[arm].Load()
		t.Valued[arm] = l.tallies.valued[arm].Load()
	}
	return t
}
