package feedback

import (
	"time"

	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// The ways to read a predicted class where a missing label is an answer too.
const (
	Positive  = "positive"
	Negative  = "negative" // "0", "no", "false", "negative"
	Classless = "none"     // a number was predicted, or nothing
)

// Part is what one of several replicas knows of mature predictions. Those that
// it made and the labels that it took need not be of the same: only the sum over
// all replicas tells a share.
type Part struct {
	Predicted, Labelled, Wrong int64
	Value                      Moments
}

// Parted is what one replica knows of one arm.
type Parted struct {
	Classes map[string]Part // by how the predicted class reads
	Events  map[string]Came // by the event's name
	Groups  map[int]Parted  // the same by group of users, from 0, where predictions say it
}

// Parts returns the mature cohorts that Matured would, by arm and by how the
// predicted class reads, as they were counted here; and where to ask on.
func (l *Ledger) Parts(q Question) (parts []Parted, next time.Time, err error) {
	parts = make([]Parted, l.opt.Arms)
	for arm := range parts {
		parts[arm] = NewParted()
	}
	next, err = l.matured(q, visit{
		cohort: func(c cell, n counts) {
			if int(c.arm) < len(parts) {
				parts[c.arm].Classes[reads(c.class)] = parts[c.arm].Classes[reads(c.class)].plus(n)
			}
		},
		event: func(c cell, n counts) {
			if int(c.arm) < len(parts) {
				parts[c.arm].Events[c.class] = parts[c.arm].Events[c.class].plus(n)
			}
		},
		groups: func(c cell, groups grouped) {
			for i, n := range groups {
				if g, ok := groupOf(parts, c.arm, i); ok {
					g.Classes[c.class] = g.Classes[c.class].plus(n)
				}
			}
		},
		eventGroups: func(c cell, groups grouped) {
			for i, n := range groups {
				if g, ok := groupOf(parts, c.arm, i); ok {
					g.Events[c.class] = g.Events[c.class].plus(n)
				}
			}
		},
	})
	return parts, next, err
}

// NewParted returns one that holds nothing.
func NewParted() Parted {
	return Parted{map[string]Part{}, map[string]Came{}, map[int]Parted{}}
}

// Add adds what o holds.
func (p Parted) Add(o Parted) {
	for as, x := range o.Classes {
		p.Classes[as] = p.Classes[as].plus(counts{predicted: x.Predicted, labelled: x.Labelled, wrong: x.Wrong, value: x.Value})
	}
	for name, x := range o.Events {
		p.Events[name] = p.Events[name].plus(counts{labelled: x.N, value: x.Value})
	}
	for i, x := range o.Groups {
		if _, ok := p.Groups[i]; !ok {
			p.Groups[i] = NewParted()
		}
		p.Groups[i].Add(x)
	}
}

// groupOf returns what an arm knows of a group, from 1; false if there is no such
// arm or group.
func groupOf(parts []Parted, arm traffic.Arm, group uint8) (Parted, bool) {
	if int(arm) >= len(parts) || group == 0 || int(group) > telemetry.Groups {
		return Parted{}, false
	}
	g, ok := parts[arm].Groups[int(group)-1]
	if !ok {
		g = NewParted()
		parts[arm].Groups[int(group)-1] = g
	}
	return g, true
}

// plus adds counts.
func (p Part) plus(n counts) Part {
	p.Predicted += n.predicted
	p.Labelled += n.labelled
	p.Wrong += n.wrong
	p.Value.Add(n.value)
	return p
}
