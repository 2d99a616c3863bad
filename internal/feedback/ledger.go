package feedback

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// The buckets of the database: feedback/<rollout>/…
var (
	rootBucket    = []byte("feedback")
	cohortsBucket = []byte("cohorts") // cell → counts
	eventsBucket  = []byte("events")  // cell, with the event's name for a class → counts
	// Cells without the group, with how the class reads for a class → counts by group.
	groupsBucket      = []byte("groups")
	eventGroupsBucket = []byte("eventgroups")
	seenBucket        = []byte("seen")  // hour / identity of a label → what it said
	indexBucket       = []byte("index") // hour / request ID → prediction ID
)

// Ledger joins feedback to predictions. Open makes one.
type Ledger struct {
	db     *bbolt.DB
	codec  *predictionid.Codec
	opt    Options
	length int64 // of a cohort, in milliseconds

	rollout  uint32
	revision atomic.Uint32

	classes classNames
	tallies tallies

	// frozen is held for reading while feedback is judged by the clock and
	// committed, and for writing while mature cohorts are read: no label that
	// came in time is committed after its cohort was handed over.
	frozen sync.RWMutex

	mu        sync.Mutex // of the three below, which wait to be written
	predicted map[cell]int64
	index     map[string]string
	flushing  map[string]string // part of index that is being written

	flushMu   sync.Mutex // one flush at a time
	lastPrune time.Time
	coverage  coverageCache

	stop chan struct{}
	done sync.WaitGroup
	once sync.Once
}

// Open returns the ledger of one rollout kept in db, which stays the caller's:
// close the ledger first. codec reads the IDs that the gateway issues. Errors
// are those of the database and of contradictory options.
func Open(db *bbolt.DB, codec *predictionid.Codec, o Options) (*Ledger, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if codec == nil {
		return nil, errors.New("feedback: prediction IDs cannot be read without a codec")
	}
	l := &Ledger{
		db: db, codec: codec, opt: o, length: o.CohortLength.Milliseconds(),
		rollout:   predictionid.Hash32(o.Rollout),
		predicted: map[cell]int64{},
		index:     map[string]string{},
		stop:      make(chan struct{}),
	}
	l.classes.max = o.MaxClasses
	l.SetRevision(o.Revision)
	if err := l.prepare(); err != nil {
		return nil, fmt.Errorf("open feedback of rollout %s: %w", o.Rollout, err)
	}
	l.done.Go(l.run)
	return l, nil
}

// prepare makes the buckets and learns the classes that are known already.
func (l *Ledger) prepare() error {
	return l.db.Update(func(tx *bbolt.Tx) error {
		root, err := tx.CreateBucketIfNotExists(rootBucket)
		if err != nil {
			return err
		}
		b, err := root.CreateBucketIfNotExists([]byte(l.opt.Rollout))
		if err != nil {
			return err
		}
		for _, name := range [][]byte{cohortsBucket, eventsBucket, groupsBucket, eventGroupsBucket, seenBucket, indexBucket} {
			if _, err := b.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return b.Bucket(cohortsBucket).ForEach(func(k, _ []byte) error {
			c, err := readCell(k)
			if err == nil && c.class != OtherClass {
				l.classes.fold(c.class)
			}
			return err
		})
	})
}

// bucket returns one of the ledger's buckets.
func (l *Ledger) bucket(tx *bbolt.Tx, name []byte) *bbolt.Bucket {
	return tx.Bucket(rootBucket).Bucket([]byte(l.opt.Rollout)).Bucket(name)
}

// SetRevision tells which revision, by the candidate's hash, predictions belong
// to from now on. Revisions are never mixed.
func (l *Ledger) SetRevision(hash string) { l.revision.Store(predictionid.Hash32(hash)) }

// run writes what waits, until Close.
func (l *Ledger) run() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for failing := false; ; {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		err := l.Flush()
		if err != nil && !failing { // said once, not every second
			l.opt.Logger.Error("feedback waits to be written", "rollout", l.opt.Rollout, "error", err)
		}
		failing = err != nil
	}
}

// Close writes what waits and ends. The ledger must not be used afterwards,
// though it does no harm. The database stays open.
func (l *Ledger) Close() error {
	l.once.Do(func() { close(l.stop) })
	l.done.Wait()
	return l.Flush()
}

// Prediction is an answered request, as the gateway tells of it.
type Prediction struct {
	Arm          traffic.Arm
	Time         time.Time // the one in the prediction ID
	Class        string    // of the only prediction; "" if none was read, or several
	Count        int       // predictions in the answer; 0 counts as 1
	PredictionID string    // "" if none was issued
	RequestID    string    // the client's own, "" if it sent none
	Forced       bool      // by a match
	Mirrored     bool      // a copy, whose answer no user saw
	Group        uint8     // of users, from 1; 0: none is known
	User         uint64    // whom it was made for, as Options.UserKey tells; 0: not known
}

// Answered takes note of a prediction: that it was made, if it is evidence, and
// which request of the client's it answers. It does not wait for the disk.
func (l *Ledger) Answered(p Prediction) {
	if p.Mirrored {
		return // it has the request ID of the answer that the user saw
	}
	if !p.Forced {
		l.predict(p.Arm, p.Class, p.Group, p.Time, int64(max(p.Count, 1)))
	}
	if p.RequestID != "" && p.PredictionID != "" {
		l.Index(p.RequestID, p.PredictionID)
	}
	if p.User != 0 && p.PredictionID != "" && len(l.opt.Events) > 0 && !l.enqueue(userIndex(p.User), p.PredictionID) {
		l.tallies.unindexed.Add(1)
	}
}

// Predicted tells that an arm predicted class, "" if none could be read, for a
// request that was assigned at random, and of which the prediction ID says at.
// It does not wait for the disk and allocates only at the first prediction of a
// class in a cohort.
func (l *Ledger) Predicted(arm traffic.Arm, class string, at time.Time) {
	l.predict(arm, class, 0, at, 1)
}

func (l *Ledger) predict(arm traffic.Arm, class string, group uint8, at time.Time, n int64) {
	c := cell{
		start: l.cohortOf(at), revision: l.revision.Load(), arm: arm % traffic.Arm(l.opt.Arms),
		class: l.classes.fold(predictionid.ClassKey(class)), group: group,
	}
	l.tallies.predicted[c.arm].Add(n)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.predicted[c] += n
}

// Index tells that a client knows a prediction by an ID of its own. It is
// written within a second. It returns false, and counts, if too many wait or if
// the ID is too long.
func (l *Ledger) Index(requestID, predictionID string) bool {
	if requestID == "" || requestID[0] == 0 || len(requestID) > maxRequestID || !l.enqueue(requestID, predictionID) {
		l.tallies.unindexed.Add(1)
		return false
	}
	return true
}

// Flush writes what waits. What could not be written waits on, no longer than
// Options.TTL.
func (l *Ledger) Flush() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	now := l.opt.Now()
	prune := now.Sub(l.lastPrune).Abs() >= pruneEvery
	predicted := l.take()
	if len(predicted) == 0 && len(l.flushing) == 0 && !prune {
		return nil
	}
	err := l.db.Update(func(tx *bbolt.Tx) error {
		cells := make(map[cell]counts, len(predicted))
		for c, n := range predicted {
			cells[c] = counts{predicted: n}
		}
		if err := l.write(tx, cells, false); err != nil {
			return err
		}
		if err := l.writeIndex(tx, now); err != nil {
			return err
		}
		if prune {
			return l.prune(tx, now)
		}
		return nil
	})
	l.settle(predicted, now, err)
	if err != nil {
		return fmt.Errorf("write feedback of rollout %s: %w", l.opt.Rollout, err)
	}
	if prune {
		l.lastPrune = now
	}
	return nil
}

// take moves what waits out of the way of those who add to it.
func (l *Ledger) take() map[cell]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var predicted map[cell]int64 // never the one that others go on adding to
	if len(l.predicted) > 0 {
		predicted, l.predicted = l.predicted, make(map[cell]int64, len(l.predicted))
	}
	if len(l.index) > 0 {
		l.flushing, l.index = l.index, map[string]string{}
	}
	return predicted
}

// settle forgets what was written, or puts it back if it was not: as long as it
// would be kept if it were, so that a disk that stays away does not fill memory.
func (l *Ledger) settle(predicted map[cell]int64, now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		oldest := now.Add(-l.opt.TTL).UnixMilli()
		for c, n := range predicted {
			if c.start >= oldest {
				l.predicted[c] += n
			}
		}
		for request, prediction := range l.flushing {
			if _, newer := l.index[request]; !newer {
				l.index[request] = prediction
			}
		}
	}
	l.flushing = nil
}

// addTo adds to the counts of one cell.
func (l *Ledger) addTo(tx *bbolt.Tx, bucket []byte, c cell, add counts) error {
	b, key := l.bucket(tx, bucket), c.key()
	var sum counts
	if old := b.Get(key); old != nil {
		var err error
		if sum, err = decodeCounts(old); err != nil {
			return err
		}
	}
	sum.add(add)
	return b.Put(key, sum.encode())
}
