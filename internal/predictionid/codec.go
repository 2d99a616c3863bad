package predictionid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MinKey is the shortest key, in bytes, that [New] accepts.
const MinKey = 16

var (
	// ErrMalformed says that a string is no prediction ID of a known version.
	ErrMalformed = errors.New("malformed prediction ID")
	// ErrForged says that an ID has the right form but was not made with this
	// key, or was altered since.
	ErrForged = errors.New("prediction ID was not issued with this key")
)

const (
	version  = 1 // without a group of users
	grouped  = 2 // with one
	hasScore = 0x80
	macSize  = 16

	offFlags    = 1
	offRollout  = 2
	offRevision = 6
	offArm      = 10
	offTime     = 11
	offNonce    = 17
	offCount    = 25
	offScore    = 27
	offClass    = 31
	headSize    = 32
	offGroup    = headSize // of a grouped one alone
	maxHead     = headSize + 1

	maxTime = 1<<48 - 1
)

// MaxLen is the length of the longest ID without a batch index, in characters.
const MaxLen = ((maxHead+MaxClass+macSize)*8 + 5) / 6

var minLen = encoding.EncodedLen(headSize + macSize)

// encoding is strict so that each ID has one spelling only.
var encoding = base64.RawURLEncoding.Strict()

// Codec makes and checks IDs with one key. It is safe for concurrent use.
type Codec struct{ pool sync.Pool }

// work is the memory of one call; pooling it keeps the MAC off the heap.
type work struct {
	mac hash.Hash
	raw [maxHead + MaxClass + macSize]byte
	sum [sha256.Size]byte
}

// New returns a codec for key, which must have at least [MinKey] bytes and be
// the same in every process that issues or checks IDs. The key used for the MAC
// is derived from it, so the same secret may serve other purposes too.
func New(key []byte) (*Codec, error) {
	if len(key) < MinKey {
		return nil, fmt.Errorf("prediction ID key has %d bytes, want at least %d", len(key), MinKey)
	}
	derive := hmac.New(sha256.New, key)
	derive.Write([]byte("haldane prediction ID 1"))
	sub := derive.Sum(nil)
	c := &Codec{}
	c.pool.New = func() any { return &work{mac: hmac.New(sha256.New, sub)} }
	return c, nil
}

// AppendEncode appends the ID for cl to dst and returns the extended slice. It
// allocates nothing but what dst may need to grow. Times outside 1970 to 10889
// are moved to the nearer end, an unknown flag is dropped, a score that is not
// finite is left out, and a claim for several predictions carries no class or
// score.
func (c *Codec) AppendEncode(dst []byte, cl Claims) []byte {
	w := c.pool.Get().(*work)
	n := w.put(cl)
	w.sign(n)
	n += copy(w.raw[n:], w.sum[:macSize])
	dst = encoding.AppendEncode(dst, w.raw[:n])
	c.pool.Put(w)
	return dst
}

// put writes cl without its MAC and returns the number of bytes.
func (w *work) put(cl Claims) int {
	flags := byte(cl.Flags & knownFlags)
	score := float64(cl.Score)
	var bits uint32
	if cl.HasScore && cl.Count <= 1 && !math.IsNaN(score) && !math.IsInf(score, 0) {
		flags |= hasScore
		bits = math.Float32bits(cl.Score)
	}
	ms := uint64(min(max(cl.Time.UnixMilli(), 0), maxTime))
	b := w.raw[:]
	b[0], b[offFlags], b[offArm] = version, flags, cl.Arm
	head := headSize
	if cl.Group != 0 {
		b[0], b[offGroup], head = grouped, cl.Group, maxHead
	}
	binary.BigEndian.PutUint32(b[offRollout:], cl.Rollout)
	binary.BigEndian.PutUint32(b[offRevision:], cl.Revision)
	binary.BigEndian.PutUint16(b[offTime:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[offTime+2:], uint32(ms))
	binary.BigEndian.PutUint64(b[offNonce:], cl.Nonce)
	binary.BigEndian.PutUint16(b[offCount:], max(cl.Count, 1))
	binary.BigEndian.PutUint32(b[offScore:], bits)
	n := head
	if cl.Count <= 1 {
		n = len(appendClassKey(b[:head], cl.Class))
	}
	b[offClass] = byte(n - head)
	return n
}

// sign leaves the MAC of the first n raw bytes in w.sum.
func (w *work) sign(n int) {
	w.mac.Reset()
	w.mac.Write(w.raw[:n])
	w.mac.Sum(w.sum[:0])
}

// Decode checks an ID, with or without a batch index, and returns its claims,
// which for a batch are those of the whole request. The error is [ErrMalformed]
// or [ErrForged], possibly wrapped. Time spent does not depend on how much of a
// forged MAC is right. Claims.Time is in UTC.
func (c *Codec) Decode(id string) (Claims, error) {
	base, index, err := SplitIndex(id)
	if err != nil {
		return Claims{}, err
	}
	if len(base) < minLen || len(base) > MaxLen {
		return Claims{}, fmt.Errorf("%w: %d characters, want %d to %d", ErrMalformed, len(base), minLen, MaxLen)
	}
	// The decoder skips line breaks; an ID has none.
	if strings.ContainsAny(base, "\r\n") {
		return Claims{}, fmt.Errorf("%w: line break", ErrMalformed)
	}
	w := c.pool.Get().(*work)
	defer c.pool.Put(w)
	// The copy stays on the stack.
	var text [MaxLen]byte
	raw, err := encoding.AppendDecode(w.raw[:0], text[:copy(text[:], base)])
	if err != nil {
		return Claims{}, fmt.Errorf("%w: not base64: %w", ErrMalformed, err)
	}
	signed := len(raw) - macSize
	head, err := headOf(raw)
	if err != nil {
		return Claims{}, err
	}
	if int(raw[offClass]) != signed-head {
		return Claims{}, fmt.Errorf("%w: length does not fit its class", ErrMalformed)
	}
	w.sign(signed)
	if !hmac.Equal(w.sum[:macSize], raw[signed:]) {
		return Claims{}, ErrForged
	}
	cl := get(raw[:signed], head)
	if index >= int(cl.Count) {
		return Claims{}, fmt.Errorf("%w: prediction %d of a request with %d", ErrMalformed, index, cl.Count)
	}
	return cl, nil
}

// headOf returns how many bytes come before the class.
func headOf(raw []byte) (int, error) {
	switch raw[0] {
	case version:
		return headSize, nil
	case grouped:
		if raw[offGroup] == 0 { // is written as version 1
			return 0, fmt.Errorf("%w: version %d without a group", ErrMalformed, grouped)
		}
		return maxHead, nil
	}
	return 0, fmt.Errorf("%w: version %d, this release reads %d and %d", ErrMalformed, raw[0], version, grouped)
}

// get reads claims that were verified, of which so many bytes come before the
// class.
func get(b []byte, head int) Claims {
	group := uint8(0)
	if head > headSize {
		group = b[offGroup]
	}
	ms := int64(binary.BigEndian.Uint16(b[offTime:]))<<32 | int64(binary.BigEndian.Uint32(b[offTime+2:]))
	return Claims{
		Rollout:  binary.BigEndian.Uint32(b[offRollout:]),
		Revision: binary.BigEndian.Uint32(b[offRevision:]),
		Arm:      b[offArm],
		Time:     time.UnixMilli(ms).UTC(),
		Class:    string(b[head:]),
		Group:    group,
		Score:    math.Float32frombits(binary.BigEndian.Uint32(b[offScore:])),
		HasScore: b[offFlags]&hasScore != 0,
		Flags:    Flags(b[offFlags]) & knownFlags,
		Nonce:    binary.BigEndian.Uint64(b[offNonce:]),
		Count:    binary.BigEndian.Uint16(b[offCount:]),
	}
}

// SplitIndex separates "<id>.<i>" into the ID and the index of a prediction
// within its batch. Without an index it returns id and 0. An index that is not
// a plain number from 0 to [MaxCount]-1 is [ErrMalformed]. The ID itself is not
// checked.
func SplitIndex(id string) (base string, index int, err error) {
	base, tail, found := strings.Cut(id, ".")
	if !found {
		return id, 0, nil
	}
	index, convErr := strconv.Atoi(tail)
	// Comparing with the canonical spelling refuses signs and leading zeros.
	if convErr != nil || index < 0 || index >= MaxCount || strconv.Itoa(index) != tail {
		return "", 0, fmt.Errorf("%w: batch index is not a number from 0 to %d", ErrMalformed, MaxCount-1)
	}
	return base, index, nil
}

// AppendIndex appends the address of prediction index within the batch
// answered under id.
func AppendIndex(dst []byte, id string, index int) []byte {
	dst = append(dst, id...)
	dst = append(dst, '.')
	return strconv.AppendInt(dst, int64(index), 10)
}
