package feedback

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Status says what became of one item.
type Status string

// The statuses. Only Accepted items are evidence.
const (
	Accepted  Status = "accepted"
	Duplicate Status = "duplicate" // the same came before
	Conflict  Status = "conflict"  // something else came before, and stands
	Late      Status = "late"      // its prediction is past maturity
	Malformed Status = "malformed" // no prediction ID
	Forged    Status = "forged"    // a prediction ID made with another key, or altered
	Unknown   Status = "unknown"   // a request ID never seen or forgotten, or the ID of another rollout
	Apart     Status = "apart"     // of a forced, warm-up or mirrored request: no evidence
	NoAnswer  Status = "noAnswer"  // a label for a prediction of which neither class nor number is known
	Unused    Status = "unused"    // an event of a name that no metric asks for
)

// statuses lists them all, in the order in which they are counted.
var statuses = [...]Status{Accepted, Duplicate, Conflict, Late, Malformed, Forged, Unknown, Apart, NoAnswer, Unused}

// errBadItem is returned for an item that parse could not have made.
var errBadItem = errors.New("want a label or a finite value")

// Put takes items and returns what became of each. When it returns without an
// error everything accepted is on disk; with one, nothing is, and the same items
// may be put again: those that were taken after all will be duplicates.
// Concurrent calls share a transaction.
func (l *Ledger) Put(ctx context.Context, items []Item) ([]Status, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range items {
		if items[i].HasLabel == items[i].HasValue || !isFinite(items[i].Value) || items[i].Event != "" && !items[i].HasValue {
			return nil, fmt.Errorf("item %d: %w", i, errBadItem)
		}
	}
	l.frozen.RLock()
	defer l.frozen.RUnlock()
	var p *post
	err := l.db.Batch(func(tx *bbolt.Tx) error {
		// The function may run more than once; what counts is the last time.
		p = &post{l: l, tx: tx, now: l.opt.Now(), cells: map[cell]counts{}, events: map[cell]counts{}}
		return p.take(items)
	})
	if err != nil {
		return nil, fmt.Errorf("write feedback of rollout %s: %w", l.opt.Rollout, err)
	}
	l.tallies.count(p)
	return p.statuses, nil
}

// post is one Put within its transaction.
type post struct {
	l        *Ledger
	tx       *bbolt.Tx
	now      time.Time
	statuses []Status
	cells    map[cell]counts
	events   map[cell]counts // by name for a class
}

func (p *post) take(items []Item) error {
	p.statuses = make([]Status, len(items))
	for i := range items {
		var err error
		if p.statuses[i], err = p.one(&items[i]); err != nil {
			return err
		}
	}
	if err := p.l.write(p.tx, p.cells, false); err != nil {
		return err
	}
	return p.l.write(p.tx, p.events, true)
}

// one judges an item and, if it is accepted, adds it to p.cells or p.events.
func (p *post) one(it *Item) (Status, error) {
	if _, asked := p.l.opt.Events[it.Event]; it.Event != "" && !asked {
		return Unused, nil
	}
	id := it.ID
	if id == "" {
		var ok bool
		if id, ok = p.l.lookUp(p.tx, p.l.indexed(it)); !ok || !p.l.precedes(id, it) {
			return Unknown, nil
		}
	}
	claims, err := p.l.codec.Decode(id)
	switch {
	case errors.Is(err, predictionid.ErrForged):
		return Forged, nil
	case err != nil:
		return Malformed, nil
	case claims.Rollout != p.l.rollout || int(claims.Arm) >= p.l.opt.Arms:
		return Unknown, nil
	case claims.Flags&(predictionid.Forced|predictionid.WarmUp|predictionid.Mirrored) != 0:
		return Apart, nil
	}
	start := p.l.cohortOf(claims.Time)
	if p.now.UnixMilli() >= start+p.l.length+p.l.opt.Maturity.Milliseconds() {
		return Late, nil
	}
	add, ok := p.l.judge(&claims, it)
	if !ok {
		return NoAnswer, nil
	}
	_, index, err := predictionid.SplitIndex(id)
	if err != nil {
		return Malformed, nil
	}
	if status, err := p.remember(&claims, index, it); status != Accepted || err != nil {
		return status, err
	}
	c, to := cell{start: start, revision: claims.Revision, arm: traffic.Arm(claims.Arm), group: claims.Group}, p.cells
	if it.Event != "" {
		c.class, to = it.Event, p.events
	} else {
		c.class = p.l.classes.fold(claims.Class)
	}
	sum := to[c]
	sum.add(add)
	to[c] = sum
	return Accepted, nil
}

// remember notes what was said of a prediction, unless something was before.
func (p *post) remember(claims *predictionid.Claims, index int, it *Item) (Status, error) {
	ms := claims.Time.UnixMilli()
	b, err := p.l.bucket(p.tx, seenBucket).CreateBucketIfNotExists(hourKey(ms))
	if err != nil {
		return "", err
	}
	var said [8]byte
	if it.HasLabel {
		binary.BigEndian.PutUint64(said[:], xxhash.Sum64String(it.label.text))
	} else {
		binary.BigEndian.PutUint64(said[:], math.Float64bits(it.Value+0)) // −0 is 0
	}
	key := seenKey(ms, claims.Nonce, index, it)
	if before := b.Get(key); before != nil {
		if string(before) == string(said[:]) {
			return Duplicate, nil
		}
		return Conflict, nil
	}
	return Accepted, b.Put(key, said[:])
}

// judge returns what an item adds to its cell; ok is false if its prediction is
// not known. A batched answer's ID carries none, so only values are taken for it.
func (l *Ledger) judge(claims *predictionid.Claims, it *Item) (add counts, ok bool) {
	switch {
	case it.Event != "":
		add = l.value(it.Value, l.opt.Events[it.Event])
		add.bins, add.labelled = nil, 1
		return add, true
	case it.HasValue:
		return l.value(it.Value, Bounds{l.opt.Lower, l.opt.Upper}), true
	case claims.Class != "":
		add.labelled = 1
		if canonical(claims.Class) != predictionid.ClassKey(it.label.text) {
			add.wrong = 1
		}
		return add, true
	case claims.HasScore && it.label.numeric:
		add = l.value(math.Abs(it.label.number-float64(claims.Score)), Bounds{l.opt.Lower, l.opt.Upper})
		add.labelled = 1
		return add, true
	}
	return counts{}, false
}

// limit keeps the sum of squares of values without bounds finite.
const limit = 1e100

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func (l *Ledger) value(x float64, within Bounds) counts {
	var c counts
	x = min(max(x, -limit), limit)
	if lower, upper := within.Lower, within.Upper; lower < upper {
		x = min(max(x, lower), upper)
		c.bins = make([]int64, ValueBins)
		c.bins[min(int((x-lower)/(upper-lower)*ValueBins), ValueBins-1)] = 1
	}
	c.value = Moments{N: 1, Sum: x, SumSq: x * x}
	return c
}
