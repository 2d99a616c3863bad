package rds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrTruncated is wrapped by errors about input that ends too early, or that
// claims to hold more than is there.
var ErrTruncated = errors.New("the data end too early")

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack.
const maxDepth = 64

// Type codes of serialised objects ("R Internals", "Serialization Formats").
const (
	codeSymbol    = 1
	codePairlist  = 2
	codeChar      = 9
	codeLogical   = 10
	codeInteger   = 13
	codeDouble    = 14
	codeCharacter = 16
	codeList      = 19
	codeNil       = 254
	codeReference = 255
)

// Bits of an item's flags word, beside the type in its low byte.
const (
	flagAttributes = 1 << 9
	flagTag        = 1 << 10
)

// Read decodes one object in R's XDR serialisation (what serialize(x, NULL)
// returns, or the uncompressed content of an .rds file). Bytes after the
// object are an error.
func Read(data []byte) (Value, error) {
	r := &reader{data: data}
	v, err := r.document()
	if err != nil {
		return Value{}, fmt.Errorf("read R serialisation at byte %d of %d: %w", r.pos, len(data), err)
	}
	return v, nil
}

// reader walks over one serialised object.
type reader struct {
	data    []byte
	pos     int
	symbols []string // in order of appearance, for references
	depth   int
}

func (r *reader) document() (Value, error) {
	if err := r.header(); err != nil {
		return Value{}, err
	}
	v, err := r.item()
	if err != nil {
		return Value{}, err
	}
	if left := len(r.data) - r.pos; left > 0 {
		return Value{}, fmt.Errorf("%d bytes are left after the object", left)
	}
	return v, nil
}

// header reads the format mark, the versions and, from version 3 on, the name
// of the writer's native encoding.
func (r *reader) header() error {
	if !bytes.HasPrefix(r.data, []byte("X\n")) {
		return errors.New(`not an XDR serialisation: it does not start with "X"`)
	}
	r.pos = 2
	var version [3]int32 // format, R that wrote it, oldest R that can read it
	for i := range version {
		n, err := r.int()
		if err != nil {
			return err
		}
		version[i] = n
	}
	switch version[0] {
	case 2:
		return nil
	case 3:
		n, err := r.int()
		if err != nil {
			return err
		}
		_, err = r.bytes(int(n))
		return err
	default:
		return fmt.Errorf("format version %d, where 2 or 3 is expected", version[0])
	}
}

// item reads one object with its attributes.
func (r *reader) item() (Value, error) {
	if r.depth++; r.depth > maxDepth {
		return Value{}, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	defer func() { r.depth-- }()
	flags, err := r.int()
	if err != nil {
		return Value{}, err
	}
	var v Value
	switch code := flags & 0xff; code {
	case codeNil:
		return Value{}, nil
	case codeLogical, codeInteger:
		v, err = r.ints(code)
	case codeDouble:
		v, err = r.doubles()
	case codeCharacter:
		v, err = r.strings()
	case codeList:
		v, err = r.list()
	default:
		return Value{}, fmt.Errorf("an object of type %d, which this reader does not know", code)
	}
	if err != nil {
		return Value{}, err
	}
	if flags&flagAttributes != 0 {
		v.Attributes, err = r.attributes()
	}
	return v, err
}

// attributes reads a pairlist in which every element has a tag.
func (r *reader) attributes() (map[string]Value, error) {
	out := map[string]Value{}
	for {
		flags, err := r.int()
		if err != nil {
			return nil, err
		}
		if flags&0xff == codeNil {
			return out, nil
		}
		if flags&0xff != codePairlist || flags&flagTag == 0 || flags&flagAttributes != 0 {
			return nil, fmt.Errorf("attributes with flags %#x, where a tagged pairlist is expected", flags)
		}
		name, err := r.symbol()
		if err != nil {
			return nil, err
		}
		if out[name], err = r.item(); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
	}
}

// symbol reads a name: spelt out the first time, a reference afterwards.
func (r *reader) symbol() (string, error) {
	flags, err := r.int()
	if err != nil {
		return "", err
	}
	switch flags & 0xff {
	case codeSymbol:
		s, err := r.char()
		if err != nil {
			return "", err
		}
		r.symbols = append(r.symbols, s.Text)
		return s.Text, nil
	case codeReference:
		i := flags >> 8
		if i < 1 || int(i) > len(r.symbols) {
			return "", fmt.Errorf("reference %d, where %d names have been seen", i, len(r.symbols))
		}
		return r.symbols[i-1], nil
	default:
		return "", fmt.Errorf("an object of type %d, where a name is expected", flags&0xff)
	}
}

func (r *reader) ints(code int32) (Value, error) {
	n, err := r.length(4)
	if err != nil {
		return Value{}, err
	}
	v := Value{Kind: Integer, Ints: make([]int32, n)}
	if code == codeLogical {
		v.Kind = Logical
	}
	for i := range v.Ints {
		if v.Ints[i], err = r.int(); err != nil {
			return Value{}, err
		}
	}
	return v, nil
}

func (r *reader) doubles() (Value, error) {
	n, err := r.length(8)
	if err != nil {
		return Value{}, err
	}
	v := Value{Kind: Double, Doubles: make([]float64, n)}
	for i := range v.Doubles {
		b, err := r.bytes(8)
		if err != nil {
			return Value{}, err
		}
		v.Doubles[i] = math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return v, nil
}

func (r *reader) strings() (Value, error) {
	n, err := r.length(8) // each has flags and a length at least
	if err != nil {
		return Value{}, err
	}
	v := Value{Kind: Character, Strings: make([]String, n)}
	for i := range v.Strings {
		if v.Strings[i], err = r.char(); err != nil {
			return Value{}, err
		}
	}
	return v, nil
}

func (r *reader) list() (Value, error) {
	n, err := r.length(4) // each has flags at least
	if err != nil {
		return Value{}, err
	}
	v := Value{Kind: List, List: make([]Value, n)}
	for i := range v.List {
		if v.List[i], err = r.item(); err != nil {
			return Value{}, err
		}
	}
	return v, nil
}

// char reads one string; a length of -1 is NA.
func (r *reader) char() (String, error) {
	flags, err := r.int()
	if err != nil {
		return String{}, err
	}
	if flags&0xff != codeChar {
		return String{}, fmt.Errorf("an object of type %d, where a string is expected", flags&0xff)
	}
	n, err := r.int()
	if err != nil {
		return String{}, err
	}
	if n == -1 {
		return String{NA: true}, nil
	}
	b, err := r.bytes(int(n))
	return String{Text: string(b)}, err
}

// length reads a vector's length and checks that so many elements of at least
// size bytes can follow. Vectors of 2³¹ elements or more are refused.
func (r *reader) length(size int) (int, error) {
	n, err := r.int()
	if err != nil {
		return 0, err
	}
	if n < 0 || int(n) > (len(r.data)-r.pos)/size {
		return 0, fmt.Errorf("a vector of %d elements: %w", n, ErrTruncated)
	}
	return int(n), nil
}

func (r *reader) int() (int32, error) {
	b, err := r.bytes(4)
	if err != nil {
		return 0, err
	}
	return int32(binary.BigEndian.Uint32(b)), nil
}

func (r *reader) bytes(n int) ([]byte, error) {
	if n < 0 || n > len(r.data)-r.pos {
		return nil, fmt.Errorf("%d bytes wanted: %w", n, ErrTruncated)
	}
	b := r.data[r.pos : r.pos+n]
	r.pos += n
	return b, nil
}
