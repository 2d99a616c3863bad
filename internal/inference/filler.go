package inference

import (
	"encoding/binary"
	"math"

	"github.com/tidwall/gjson"
)

// filler distributes the elements of a tensor, in row-major order, to entries.
type filler struct {
	entries       []entry
	as            role
	cols          int
	want          int // elements that the shape promises
	seen, at, col int
	over          row // takes what comes after the last entry
}

// next is the row that the next element belongs to.
func (f *filler) next() *row {
	f.seen++
	if f.at >= len(f.entries) {
		return &f.over
	}
	r := f.entries[f.at].row(f.as)
	if f.col++; f.col == f.cols {
		f.at, f.col = f.at+1, 0
	}
	return r
}

func (f *filler) fill(t *tensor) bool {
	ok := true
	switch {
	case t.data != "":
		f.json(gjson.Parse(t.data))
	case t.raw != nil:
		ok = f.raw(t.datatype, t.raw)
	default:
		ok = f.contents(t.contents)
	}
	return ok && f.seen == f.want
}

func (f *filler) json(v gjson.Result) {
	if !v.IsArray() {
		f.next().json(v)
		return
	}
	v.ForEach(func(_, item gjson.Result) bool {
		f.json(item)
		return true
	})
}

// raw reads elements of a datatype of the Open Inference Protocol from
// little-endian bytes.
func (f *filler) raw(datatype string, b []byte) bool {
	if datatype == "BYTES" {
		return f.rawTexts(b)
	}
	size := elementSize(datatype)
	if size == 0 || len(b)%size != 0 || len(b)/size != f.want {
		return false
	}
	for ; len(b) > 0; b = b[size:] {
		if datatype == "BOOL" {
			f.next().boolean(b[0] != 0)
		} else {
			f.next().number(element(datatype, b))
		}
	}
	return true
}

// rawTexts reads texts, each after its length in four bytes.
func (f *filler) rawTexts(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 4 {
			return false
		}
		n := binary.LittleEndian.Uint32(b)
		b = b[4:]
		if uint64(n) > uint64(len(b)) {
			return false
		}
		f.next().string(view(b[:n]))
		b = b[n:]
	}
	return true
}

// elementSize is the size in bytes of one element, 0 for an unknown datatype.
func elementSize(datatype string) int {
	switch datatype {
	case "BOOL", "UINT8", "INT8":
		return 1
	case "UINT16", "INT16", "FP16", "BF16":
		return 2
	case "UINT32", "INT32", "FP32":
		return 4
	case "UINT64", "INT64", "FP64":
		return 8
	}
	return 0
}

// element is the number at the beginning of b, which is long enough.
func element(datatype string, b []byte) float64 {
	le := binary.LittleEndian
	switch datatype {
	case "UINT8":
		return float64(b[0])
	case "INT8":
		return float64(int8(b[0]))
	case "UINT16":
		return float64(le.Uint16(b))
	case "INT16":
		return float64(int16(le.Uint16(b)))
	case "FP16":
		return half(le.Uint16(b))
	case "BF16":
		return float64(math.Float32frombits(uint32(le.Uint16(b)) << 16))
	case "UINT32":
		return float64(le.Uint32(b))
	case "INT32":
		return float64(int32(le.Uint32(b)))
	case "FP32":
		return float64(math.Float32frombits(le.Uint32(b)))
	case "UINT64":
		return float64(le.Uint64(b))
	case "INT64":
		return float64(int64(le.Uint64(b)))
	case "FP64":
		return math.Float64frombits(le.Uint64(b))
	}
	return math.NaN()
}

// half is the value of an IEEE 754 binary16 number.
func half(h uint16) float64 {
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	var x float64
	switch exponent {
	case 0:
		x = math.Ldexp(fraction, -24)
	case 0x1f:
		if x = math.Inf(1); fraction != 0 {
			x = math.NaN()
		}
	default:
		x = math.Ldexp(1024+fraction, exponent-25)
	}
	if h>>15 == 1 {
		return -x
	}
	return x
}
