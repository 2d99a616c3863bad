package feedback

import (
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Question asks for the cohorts that have matured.
type Question struct {
	Revision string        // of the candidate, by its hash
	After    time.Time     // Answer.Next of the last one; zero at the beginning
	From     time.Time     // where the beginning is
	Now      time.Time     // what maturity is measured by
	Maturity time.Duration // age at which labels count; 0 takes that of the Options
	Span     time.Duration // at most this much predictions' time, at least one cohort; 0: no limit
	// Negative takes a missing label for a negative one: right if the predicted
	// class says no ("0", "no", "false", "negative"), else wrong.
	Negative bool
}

// Answer is what the mature cohorts hold, by arm.
type Answer struct {
	N     [traffic.NumArms]int64 // predictions judged
	Wrong [traffic.NumArms]int64 // of those
	Value [traffic.NumArms]Moments
	// Predicted and Labelled are how many of the predictions a label came for.
	Predicted [traffic.NumArms]int64
	Labelled  [traffic.NumArms]int64
	Next      time.Time // ask again after this
}

// Matured returns the cohorts that have matured since q.After: those whose end is
// at least q.Maturity before q.Now. Asked for on from Answer.Next, each cohort is
// returned exactly once, after a crash too. Asked again with the same After it
// returns at least the same cohorts, and the same counts of each: once its
// maturity, and that of the Options, has passed nothing is added to a cohort.
func (l *Ledger) Matured(q Question) (Answer, error) {
	if q.Maturity <= 0 {
		q.Maturity = l.opt.Maturity
	}
	l.frozen.Lock()
	defer l.frozen.Unlock()
	// So that predictions are not missing where their labels are there.
	if err := l.Flush(); err != nil {
		return Answer{}, err
	}
	begin := q.After.UnixMilli()
	if q.After.IsZero() {
		begin = l.cohortOf(q.From)
	}
	// The first cohort that is not mature.
	end := floor(q.Now.UnixMilli()-q.Maturity.Milliseconds(), l.length)
	a := Answer{Next: time.UnixMilli(begin).UTC()}
	if end <= begin {
		return a, nil
	}
	revision := predictionid.Hash32(q.Revision)
	err := l.scan(begin, end, func(c cell, n counts) bool {
		if c.revision != revision {
			return true
		}
		if q.Span > 0 && end > c.start+max(q.Span.Milliseconds(), l.length) && a.empty() {
			// Counted from the first cohort with anything in it, so that an idle
			// stretch is crossed at once.
			end = floor(c.start+max(q.Span.Milliseconds(), l.length), l.length)
		}
		if c.start >= end {
			return false
		}
		a.add(c, n, q.Negative)
		return true
	})
	if err != nil {
		return Answer{}, fmt.Errorf("read feedback of rollout %s: %w", l.opt.Rollout, err)
	}
	a.Next = time.UnixMilli(end).UTC()
	return a, nil
}

// scan calls f for every cell with begin ≤ start < end, in order of time, until
// it returns false.
func (l *Ledger) scan(begin, end int64, f func(cell, counts) bool) error {
	return l.db.View(func(tx *bbolt.Tx) error {
		cur := l.bucket(tx, cohortsBucket).Cursor()
		for k, v := cur.Seek(appendTime(nil, begin)); k != nil; k, v = cur.Next() {
			c, err := readCell(k)
			if err != nil {
				return err
			}
			if c.start >= end {
				return nil
			}
			n, err := decodeCounts(v)
			if err != nil {
				return err
			}
			if !f(c, n) {
				return nil
			}
		}
		return nil
	})
}

func (a *Answer) empty() bool {
	return a.Predicted == [traffic.NumArms]int64{} && a.Labelled == a.Predicted && a.Value == [traffic.NumArms]Moments{}
}

func (a *Answer) add(c cell, n counts, negative bool) {
	// A crash can lose predictions of which labels came nevertheless.
	predicted := max(n.predicted, n.labelled)
	judged, wrong, value := n.labelled, n.wrong, n.value
	if negative {
		judged = predicted
		if !isNegative(c.class) {
			wrong += predicted - n.labelled
		}
		value.N = max(predicted, value.N) // what did not come is worth 0
	}
	a.N[c.arm] += judged
	a.Wrong[c.arm] += wrong
	a.Value[c.arm].Add(value)
	a.Predicted[c.arm] += predicted
	a.Labelled[c.arm] += n.labelled
}
