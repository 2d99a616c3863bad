package predictionid

import (
	"encoding/hex"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// MaxClass is the largest number of bytes of class name an ID carries.
const MaxClass = 32

// MaxCount is the largest number of predictions one ID can stand for.
const MaxCount = 1<<16 - 1

// Flags say how a request came to be answered. The zero value is ordinary,
// randomly assigned traffic.
type Flags uint8

const (
	// Forced marks a request that a rule sent to its arm. It was not assigned
	// at random and is no evidence.
	Forced Flags = 1 << iota
	// WarmUp marks a request answered while its arm was warming up.
	WarmUp
	// Mirrored marks a copy whose answer no user saw.
	Mirrored

	knownFlags = Forced | WarmUp | Mirrored
)

// Claims is what an ID says about a prediction.
type Claims struct {
	// Rollout and Revision are [Hash32] of the rollout's name and of the
	// revision that answered.
	Rollout, Revision uint32
	// Arm is the caller's number for the arm that answered.
	Arm uint8
	// Time is when the request was answered, kept to the millisecond.
	Time time.Time
	// Class is the predicted class, as [ClassKey] gives it; empty when there is
	// none, when it was not known yet, or when Count is above one.
	Class string
	// Score is the prediction's number, meaningful only if HasScore.
	Score    float32
	HasScore bool
	// Flags say how the request came to be answered.
	Flags Flags
	// Group is the group of users that the prediction was made for, from 1; 0 if
	// it was made for nobody known.
	Group uint8
	// Nonce makes IDs of the same millisecond differ; any random number will do.
	Nonce uint64
	// Count is the number of predictions answered under the ID, 1 unless the
	// request was a batch. Zero is written as 1.
	Count uint16
}

// Hash32 is the low half of xxHash64 of s. It names a rollout or a revision in
// an ID; it is stable across processes and releases, and not secret.
func Hash32(s string) uint32 { return uint32(xxhash.Sum64String(s)) }

// classPrefix leaves room for "~" and eight hexadecimal digits.
const classPrefix = MaxClass - 9

// ClassKey is the form in which an ID carries a class: the name itself up to
// [MaxClass] bytes, else its beginning, "~" and eight hexadecimal digits of its
// hash. Labels must be passed through it before they are compared with
// [Claims.Class]. ClassKey(ClassKey(s)) == ClassKey(s).
func ClassKey(s string) string {
	if len(s) <= MaxClass {
		return s
	}
	var buf [MaxClass]byte
	return string(appendClassKey(buf[:0], s))
}

func appendClassKey(dst []byte, s string) []byte {
	if len(s) <= MaxClass {
		return append(dst, s...)
	}
	cut := classPrefix
	for cut > classPrefix-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	h := Hash32(s)
	dst = append(dst, s[:cut]...)
	dst = append(dst, '~')
	return hex.AppendEncode(dst, []byte{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)})
}
