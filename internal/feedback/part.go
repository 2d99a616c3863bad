package feedback

import (
	"time"

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
}

// Parts returns the mature cohorts that Matured would, by arm and by how the
// predicted class reads, as they were counted here; and where to ask on.
func (l *Ledger) Parts(q Question) (parts [traffic.NumArms]Parted, next time.Time, err error) {
	for arm := range parts {
		parts[arm] = Parted{map[string]Part{}, map[string]Came{}}
	}
	next, err = l.matured(q, func(c cell, n counts) {
		if c.arm >= traffic.NumArms {
			return // of an experiment, which is counted by one process alone
		}
		as := Positive
		switch {
		case c.class == "":
			as = Classless
		case isNegative(c.class):
			as = Negative
		}
		p := parts[c.arm].Classes[as]
		p.Predicted += n.predicted
		p.Labelled += n.labelled
		p.Wrong += n.wrong
		p.Value.Add(n.value)
		parts[c.arm].Classes[as] = p
	}, func(c cell, n counts) {
		if c.arm >= traffic.NumArms {
			return
		}
		parts[c.arm].Events[c.class] = parts[c.arm].Events[c.class].plus(n)
	})
	return parts, next, err
}
