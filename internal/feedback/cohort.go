package feedback

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// ValueBins is the number of equal bins of the histogram of values.
const ValueBins = 64

// cell is where counts are kept: one cohort, revision, arm and predicted class.
type cell struct {
	start    int64  // of the cohort, Unix milliseconds
	revision uint32 // predictionid.Hash32 of the candidate
	arm      traffic.Arm
	class    string // "" if none was predicted
	group    uint8  // of users, from 1; 0 if none is known, and in the database
}

const cellHead = 8 + 4 + 1

// key orders cells by time, so that a span of time is a range of keys.
func (c cell) key() []byte {
	k := make([]byte, 0, cellHead+len(c.class))
	k = appendTime(k, c.start)
	k = binary.BigEndian.AppendUint32(k, c.revision)
	k = append(k, byte(c.arm))
	return append(k, c.class...)
}

func readCell(k []byte) (cell, error) {
	if len(k) < cellHead || k[12] >= traffic.MaxArms {
		return cell{}, fmt.Errorf("feedback: key %x in the database is no cohort", k)
	}
	return cell{
		start:    readTime(k),
		revision: binary.BigEndian.Uint32(k[8:]),
		arm:      traffic.Arm(k[12]),
		class:    string(k[cellHead:]),
	}, nil
}

// appendTime writes milliseconds so that bytes sort as times do, also before 1970.
func appendTime(dst []byte, ms int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(ms)^1<<63)
}

func readTime(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// counts are what is known of one cell.
type counts struct {
	predicted int64
	labelled  int64
	wrong     int64 // of labelled
	value     Moments
	bins      []int64 // of the value, nil if there are none
}

// Moments are count, sum and sum of squares of values.
type Moments struct {
	N     int64   `json:"n"`
	Sum   float64 `json:"sum"`
	SumSq float64 `json:"sumsq"`
}

// Add adds the values of o.
func (m *Moments) Add(o Moments) {
	m.N += o.N
	m.Sum += o.Sum
	m.SumSq += o.SumSq
}

func (c *counts) add(o counts) {
	c.predicted += o.predicted
	c.labelled += o.labelled
	c.wrong += o.wrong
	c.value.Add(o.value)
	if o.bins != nil && c.bins == nil {
		c.bins = make([]int64, ValueBins)
	}
	for i, n := range o.bins {
		c.bins[i] += n
	}
}

// countsVersion is the first byte of a stored record.
const countsVersion = 1

func (c counts) encode() []byte {
	b := make([]byte, 0, 48)
	b = append(b, countsVersion)
	for _, n := range [...]int64{c.predicted, c.labelled, c.wrong, c.value.N} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	if c.value.N == 0 {
		return b
	}
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(c.value.Sum))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(c.value.SumSq))
	for _, n := range c.bins {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

var errRecord = errors.New("feedback: a cohort in the database is damaged")

func decodeCounts(b []byte) (counts, error) {
	var c counts
	if len(b) == 0 {
		return c, errRecord
	}
	if b[0] != countsVersion {
		return c, fmt.Errorf("feedback: a cohort in the database has format %d, this version reads %d", b[0], countsVersion)
	}
	r := reader{b: b[1:]}
	for _, n := range [...]*int64{&c.predicted, &c.labelled, &c.wrong, &c.value.N} {
		*n = r.varint()
	}
	if c.value.N > 0 {
		c.value.Sum, c.value.SumSq = r.float(), r.float()
		if len(r.b) > 0 {
			c.bins = make([]int64, ValueBins)
			for i := range c.bins {
				c.bins[i] = r.varint()
			}
		}
	}
	if r.bad || len(r.b) > 0 {
		return counts{}, errRecord
	}
	return c, nil
}

// reader takes numbers from the front of b until one is missing.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) varint() int64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > math.MaxInt64 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return int64(n)
}

func (r *reader) float() float64 {
	if len(r.b) < 8 {
		r.bad, r.b = true, nil
		return 0
	}
	f := math.Float64frombits(binary.BigEndian.Uint64(r.b))
	r.b = r.b[8:]
	return f
}

// cohortOf returns the start of t's cohort in Unix milliseconds.
func (l *Ledger) cohortOf(t time.Time) int64 { return floor(t.UnixMilli(), l.length) }

// floor rounds down to a multiple of step.
func floor(x, step int64) int64 {
	r := x % step
	if r < 0 {
		r += step
	}
	return x - r
}
