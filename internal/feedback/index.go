package feedback

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Things that end after the TTL are kept in one bucket per hour, so that an hour
// is forgotten at once.

const hour = int64(time.Hour / time.Millisecond)

func hourKey(ms int64) []byte { return appendTime(nil, floor(ms, hour)) }

// enqueue reports whether there was room. The strings may be views of buffers
// that are used again.
func (l *Ledger) enqueue(requestID, predictionID string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, again := l.index[requestID]; !again && len(l.index)+len(l.flushing) >= l.opt.MaxQueue {
		return false
	}
	l.index[strings.Clone(requestID)] = strings.Clone(predictionID)
	return true
}

// writeIndex writes what is being flushed.
func (l *Ledger) writeIndex(tx *bbolt.Tx, now time.Time) error {
	if len(l.flushing) == 0 {
		return nil
	}
	b, err := l.bucket(tx, indexBucket).CreateBucketIfNotExists(hourKey(now.UnixMilli()))
	if err != nil {
		return err
	}
	for request, prediction := range l.flushing {
		if err := b.Put([]byte(request), []byte(prediction)); err != nil {
			return err
		}
	}
	return nil
}

// waiting returns the prediction ID of a request whose entry is not written yet.
func (l *Ledger) waiting(requestID string) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id, ok := l.index[requestID]; ok {
		return id, true
	}
	id, ok := l.flushing[requestID]
	return id, ok
}

// lookUp finds the newest prediction that a request ID stands for.
func (l *Ledger) lookUp(tx *bbolt.Tx, requestID string) (string, bool) {
	if id, ok := l.waiting(requestID); ok {
		return id, true
	}
	index := l.bucket(tx, indexBucket)
	hours := index.Cursor()
	for k, _ := hours.Last(); k != nil; k, _ = hours.Prev() {
		if id := index.Bucket(k).Get([]byte(requestID)); id != nil {
			return string(id), true
		}
	}
	return "", false
}

// pruneStep bounds the cohorts deleted in one transaction, so that no transaction
// grows with how long the ledger slept.
const pruneStep = 10_000

// prune deletes what is older than the TTL.
func (l *Ledger) prune(tx *bbolt.Tx, now time.Time) error {
	oldest := now.Add(-l.opt.TTL).UnixMilli()
	for _, name := range [][]byte{seenBucket, indexBucket} {
		b := l.bucket(tx, name)
		for _, k := range keysBefore(b, floor(oldest, hour), pruneStep) {
			if err := b.DeleteBucket(k); err != nil {
				return err
			}
		}
	}
	for _, name := range [][]byte{cohortsBucket, eventsBucket, groupsBucket, eventGroupsBucket} {
		b := l.bucket(tx, name)
		for _, k := range keysBefore(b, oldest, pruneStep) {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysBefore copies at most limit keys that begin with a time before ms.
func keysBefore(b *bbolt.Bucket, ms int64, limit int) [][]byte {
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil && len(keys) < limit && len(k) >= 8 && readTime(k) < ms; k, _ = c.Next() {
		keys = append(keys, append([]byte(nil), k...))
	}
	return keys
}

// seenKey is the identity of one kind of feedback for one prediction, within the
// hour of the prediction.
func seenKey(ms int64, nonce uint64, index int, it *Item) []byte {
	k := make([]byte, 0, 8+8+2+1+len(it.Event))
	k = appendTime(k, ms)
	k = binary.BigEndian.AppendUint64(k, nonce)
	k = binary.BigEndian.AppendUint16(k, uint16(index))
	switch {
	case it.Event != "":
		return append(append(k, 2), it.Event...)
	case it.HasValue:
		return append(k, 1)
	}
	return append(k, 0)
}

// userIndex is what a user's newest prediction is found by, among the request
// IDs: no client's own begins like it. It is text, since replicas ask each other
// for it.
func userIndex(key uint64) string { return "\x00" + strconv.FormatUint(key, 16) }
