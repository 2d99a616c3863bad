package feedback

import (
	"errors"
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
}

// Answer is what the mature cohorts hold.
type Answer struct {
	Arms [traffic.MaxArms]ArmAnswer // those of Options.Arms are in use
	Next time.Time                  // ask again after this
}

// ArmAnswer is one arm, by the two things that a missing label can mean.
type ArmAnswer struct {
	// Unknown: nothing is known of a prediction without a label.
	Unknown Judged
	// Negative: what did not come did not happen. A prediction is then right if
	// its class says no ("0", "no", "false", "negative"), else wrong; a value is 0.
	Negative  Judged
	Predicted int64 // predictions of the cohorts
	Labelled  int64 // of those, the ones that a label came for
	// Classes are the predictions that named one, by it.
	Classes map[string]Share
	// Events are the predictions that an event came for, by its name.
	Events map[string]Came
	// Groups are the same by group of users, where predictions say it; else nil.
	Groups []GroupAnswer
}

// Came is n predictions that an event came for, and its values.
type Came struct {
	N     int64
	Value Moments
}

// Judged is n predictions of which some were wrong, and the values that came.
type Judged struct {
	N, Wrong int64
	Value    Moments
}

// Matured returns the cohorts that have matured since q.After: those whose end is
// at least q.Maturity before q.Now. Asked for on from Answer.Next, each cohort is
// returned exactly once, after a crash too. Asked again with the same After it
// returns at least the same cohorts, and the same counts of each: once its
// maturity, and that of the Options, has passed nothing is added to a cohort.
func (l *Ledger) Matured(q Question) (Answer, error) {
	var a Answer
	var err error
	a.Next, err = l.matured(q, visit{
		cohort: func(c cell, n counts) { a.Arms[c.arm].add(c, n) },
		event: func(c cell, n counts) {
			arm := &a.Arms[c.arm]
			if arm.Events == nil {
				arm.Events = map[string]Came{}
			}
			arm.Events[c.class] = arm.Events[c.class].plus(n)
		},
		groups:      func(c cell, g grouped) { a.Arms[c.arm].addGroups(c, g) },
		eventGroups: func(c cell, g grouped) { a.Arms[c.arm].addEvents(c, g) },
	})
	return a, err
}

// visit is who is told of cells.
type visit struct {
	cohort, event       func(cell, counts)
	groups, eventGroups func(cell, grouped)
}

func (c Came) plus(n counts) Came {
	c.N += n.labelled
	c.Value.Add(n.value)
	return c
}

// matured tells of every cell that q asks for, and returns where to ask on.
func (l *Ledger) matured(q Question, tell visit) (next time.Time, err error) {
	if q.Maturity <= 0 {
		q.Maturity = l.opt.Maturity
	}
	l.frozen.Lock()
	defer l.frozen.Unlock()
	// So that predictions are not missing where their labels are there.
	if err := l.Flush(); err != nil {
		return time.Time{}, err
	}
	// A cohort is handed over only when its labels are late by the clock that
	// judges them, too.
	if now := l.opt.Now(); q.Now.After(now) {
		q.Now = now
	}
	begin := q.After.UnixMilli()
	if q.After.IsZero() {
		begin = l.cohortOf(q.From)
	}
	// The first cohort that is not mature.
	end := floor(q.Now.UnixMilli()-q.Maturity.Milliseconds(), l.length)
	if end <= begin {
		return time.UnixMilli(begin).UTC(), nil
	}
	span := max(q.Span.Milliseconds(), l.length)
	found := false
	revision := predictionid.Hash32(q.Revision)
	err = scan(l, cohortsBucket, begin, end, decodeCounts, func(c cell, n counts) bool {
		if c.revision != revision {
			return true
		}
		if q.Span > 0 && !found {
			// Counted from the first cohort with anything in it, so that an idle
			// stretch is crossed at once.
			end = min(end, floor(c.start+span, l.length))
		}
		if c.start >= end {
			return false
		}
		found = true
		tell.cohort(c, n)
		return true
	})
	err = errors.Join(err,
		scan(l, eventsBucket, begin, end, decodeCounts, of(revision, tell.event)),
		scan(l, groupsBucket, begin, end, decodeGrouped, of(revision, tell.groups)),
		scan(l, eventGroupsBucket, begin, end, decodeGrouped, of(revision, tell.eventGroups)))
	if err != nil {
		return time.Time{}, fmt.Errorf("read feedback of rollout %s: %w", l.opt.Rollout, err)
	}
	return time.UnixMilli(end).UTC(), nil
}

// of tells f of the cells of one revision, and goes on.
func of[T any](revision uint32, f func(cell, T)) func(cell, T) bool {
	return func(c cell, x T) bool {
		if c.revision == revision {
			f(c, x)
		}
		return true
	}
}

// scan calls f for every cell of a bucket with begin ≤ start < end, in order of
// time, until it returns false.
func scan[T any](l *Ledger, bucket []byte, begin, end int64, decode func([]byte) (T, error), f func(cell, T) bool) error {
	return l.db.View(func(tx *bbolt.Tx) error {
		cur := l.bucket(tx, bucket).Cursor()
		for k, v := cur.Seek(appendTime(nil, begin)); k != nil; k, v = cur.Next() {
			c, err := readCell(k)
			if err != nil {
				return err
			}
			if c.start >= end {
				return nil
			}
			n, err := decode(v)
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

func (a *ArmAnswer) add(c cell, n counts) {
	predicted := max(n.predicted, n.labelled)
	a.Predicted += predicted
	a.Labelled += n.labelled
	if c.class != "" {
		if a.Classes == nil {
			a.Classes = map[string]Share{}
		}
		a.Classes[c.class] = a.Classes[c.class].plus(counts{predicted: predicted, labelled: n.labelled, wrong: n.wrong})
	}
	judge(&a.Unknown, &a.Negative, reads(c.class), n)
}
