package telemetry

import (
	"math/bits"
	"sync/atomic"
)

// maxProbes bounds the search for a place in a keySet. It is met long before the
// set is full; a key that finds no place is not counted.
const maxProbes = 32

// keySet remembers which keys were seen, in constant memory and without locks:
// open addressing with linear probing over the high bits of the key's hash, of
// which buckets, and so arms, do not depend.
type keySet struct {
	slots []atomic.Uint64
	shift int
}

func newKeySet(n int) *keySet {
	size := bits.Len(uint(max(n, 2) - 1))
	return &keySet{slots: make([]atomic.Uint64, 1<<size), shift: 64 - size}
}

// first reports whether hash is new, and remembers it. Of any number of
// concurrent calls with one hash, one is told that it is new. It errs by calling
// a key seen that was not: when there is no place for it.
func (s *keySet) first(hash uint64) bool {
	if hash == 0 {
		hash = 1 // 0 is an empty slot
	}
	i, mask := int(hash>>s.shift), len(s.slots)-1
	for range maxProbes {
		slot := &s.slots[i&mask]
		old := slot.Load()
		if old == 0 {
			if slot.CompareAndSwap(0, hash) {
				return true
			}
			old = slot.Load()
		}
		if old == hash {
			return false
		}
		i++
	}
	return false
}
