package rds

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ulikunitz/xz/lzma"
)

// maxObject bounds what one object may unpack to; a data frame is far smaller.
const maxObject = 256 << 20

// lzmaDictionary is at least the dictionary of preset 6, the one R writes with.
const lzmaDictionary = 8 << 20

// Object reads one object by name from the lazy-load database DIR/Rdata.rdx
// and DIR/Rdata.rdb, where dir is the data folder of an installed R package.
func Object(dir, name string) (Value, error) {
	index, err := readIndex(filepath.Join(dir, "Rdata.rdx"))
	if err != nil {
		return Value{}, err
	}
	place, err := find(index, name)
	if err != nil {
		return Value{}, fmt.Errorf("find %q in %s: %w", name, filepath.Join(dir, "Rdata.rdx"), err)
	}
	file := filepath.Join(dir, "Rdata.rdb")
	data, err := os.ReadFile(file)
	if err != nil {
		return Value{}, fmt.Errorf("read the objects of an R package: %w", err)
	}
	start, n := int(place[0]), int(place[1])
	if start < 0 || n < 0 || start > len(data) || n > len(data)-start {
		return Value{}, fmt.Errorf("%s: %q at %d+%d of %d bytes: %w", file, name, start, n, len(data), ErrTruncated)
	}
	raw, err := inflate(data[start : start+n])
	if err != nil {
		return Value{}, fmt.Errorf("%s: unpack %q: %w", file, name, err)
	}
	v, err := Read(raw)
	if err != nil {
		return Value{}, fmt.Errorf("%s: %q: %w", file, name, err)
	}
	return v, nil
}

// readIndex reads the gzip-compressed index of a lazy-load database.
func readIndex(file string) (Value, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Value{}, fmt.Errorf("read the index of an R package: %w", err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return Value{}, fmt.Errorf("%s: unpack the index: %w", file, err)
	}
	raw, err := io.ReadAll(io.LimitReader(unzip, maxObject))
	if err != nil {
		return Value{}, fmt.Errorf("%s: unpack the index: %w", file, err)
	}
	v, err := Read(raw)
	if err != nil {
		return Value{}, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

// find returns the offset and length of the named object.
func find(index Value, name string) ([]int32, error) {
	variables, err := index.Field("variables")
	if err != nil {
		return nil, err
	}
	place, err := variables.Field(name)
	if err != nil {
		return nil, err
	}
	if place.Kind != Integer || len(place.Ints) != 2 {
		return nil, fmt.Errorf("its place is not an offset and a length")
	}
	return place.Ints, nil
}

// inflate unpacks one object: four bytes of uncompressed length (big-endian),
// then either a bare zlib stream, or the letter Z and a raw LZMA2 stream (what
// R writes for a package with LazyDataCompression: xz). bzip2, letter 2, is
// refused.
func inflate(b []byte) ([]byte, error) {
	if len(b) < 5 {
		return nil, fmt.Errorf("%d bytes: %w", len(b), ErrTruncated)
	}
	want := int64(binary.BigEndian.Uint32(b))
	if want > maxObject {
		return nil, fmt.Errorf("it would take %d bytes, more than the %d allowed", want, maxObject)
	}
	unpack, err := decompressor(b[4:])
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(unpack, want+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) != want {
		return nil, fmt.Errorf("%d bytes unpacked where %d were announced", len(raw), want)
	}
	return raw, nil
}

// decompressor chooses by the first byte; no zlib stream begins with a letter
// that R uses as a mark (its first byte is 0x78 at R's window size).
func decompressor(b []byte) (io.Reader, error) {
	switch b[0] {
	case 'Z':
		return lzma.Reader2Config{DictCap: lzmaDictionary}.NewReader2(bytes.NewReader(b[1:]))
	case '2':
		return nil, errors.New("bzip2 is not supported, only zlib and LZMA2")
	default:
		return zlib.NewReader(bytes.NewReader(b))
	}
}
