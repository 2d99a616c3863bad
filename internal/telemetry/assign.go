package telemetry

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// assignments count random decisions by how traffic was divided, the newest
// divisions of which there is room for. An experiment whose weights follow the
// evidence may be divided otherwise every few minutes, for weeks: what is counted of
// the oldest division makes room for the next one.
type assignments struct {
	newest atomic.Pointer[assignment] // where most decisions belong
	all    [maxWeights]atomic.Pointer[assignment]

	mu   sync.Mutex // of those who add one
	next int        // where it goes
}

// assignment counts the decisions of one division.
type assignment struct {
	shares
	arms [traffic.MaxArms]atomic.Int64
}

// shares are how random traffic is divided.
type shares struct {
	weight traffic.Weight // of the canary
	slots  string         // of an experiment with variants
}

// of returns where decisions of a division are counted. A decision of one that has
// just made room may be lost.
func (x *assignments) of(s shares) *assignment {
	if a := x.newest.Load(); a != nil && a.shares == s {
		return a
	}
	if a := x.find(s); a != nil {
		return a
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if a := x.find(s); a != nil { // somebody else was first
		return a
	}
	a := &assignment{shares: s}
	x.all[x.next].Store(a)
	x.next = (x.next + 1) % len(x.all)
	x.newest.Store(a)
	return a
}

func (x *assignments) find(s shares) *assignment {
	for i := range x.all {
		a := x.all[i].Load()
		if a == nil {
			return nil // they are taken in order
		}
		if a.shares == s {
			return a
		}
	}
	return nil
}

// snapshot returns the counts of all divisions, of so many arms.
func (x *assignments) snapshot(arms int) []Assigned {
	var out []Assigned
	for i := range x.all {
		a := x.all[i].Load()
		if a == nil {
			break
		}
		one := Assigned{
			Weight: a.weight, Slots: a.slots,
			Stable: a.arms[traffic.Stable].Load(), Canary: a.arms[traffic.Canary].Load(),
		}
		for arm := traffic.NumArms; arm < arms; arm++ {
			one.Variants = append(one.Variants, a.arms[arm].Load())
		}
		out = append(out, one)
	}
	slices.SortFunc(out, Assigned.order)
	return out
}
