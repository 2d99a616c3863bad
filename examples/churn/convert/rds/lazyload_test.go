package rds

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz/lzma"
)

// packed compresses a serialisation as R does: its length, a mark if any, then
// the stream.
func packed(t *testing.T, mark string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	out.WriteString(mark)
	var stream io.WriteCloser = zlib.NewWriter(&out)
	if mark == "Z" {
		var err error
		if stream, err = lzma.NewWriter2(&out); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// database writes a lazy-load database that holds one object, "tiny".
func database(t *testing.T, object []byte, offset, length int32) string {
	t.Helper()
	w := serialised(3)
	w.ints(codeList|flagAttributes, 1)
	w.ints(codeList|flagAttributes, 1).ints(codeInteger, 2, offset, length)
	w.tag("names").ints(codeCharacter, 1).chars("tiny").end()
	w.seen(1).ints(codeCharacter, 1).chars("variables").end()
	var index bytes.Buffer
	zip := gzip.NewWriter(&index)
	if _, err := zip.Write(w.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"Rdata.rdx": index.Bytes(), "Rdata.rdb": object} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestObject(t *testing.T) {
	want, err := Read(tinyFrame())
	if err != nil {
		t.Fatal(err)
	}
	want.List[1].Doubles[1] = 0
	for name, mark := range map[string]string{"zlib": "", "LZMA2": "Z"} {
		t.Run(name, func(t *testing.T) {
			entry := packed(t, mark, tinyFrame())
			file := append([]byte("another object"), entry...)
			got, err := Object(database(t, file, 14, int32(len(entry))), "tiny")
			if err != nil {
				t.Fatal(err)
			}
			got.List[1].Doubles[1] = 0
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Object (-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjectRefuses(t *testing.T) {
	good := packed(t, "", tinyFrame())
	n := int32(len(good))
	tooLong := bytes.Clone(good)
	tooLong[3]++ // one byte more announced than there is
	for name, test := range map[string]struct {
		entry          []byte
		offset, length int32
		object, want   string
	}{
		"unknown name":   {good, 0, n, "big", `no element named "big"`},
		"beyond the end": {good, 1, n, "tiny", "end too early"},
		"negative":       {good, -1, n, "tiny", "end too early"},
		"too short":      {good, 0, 4, "tiny", "end too early"},
		"wrong length":   {tooLong, 0, n, "tiny", "announced"},
		"bzip2":          {[]byte("\x00\x00\x00\x012BZh"), 0, 8, "tiny", "bzip2"},
		"too large":      {[]byte("\xff\xff\xff\xffZ..."), 0, 8, "tiny", "allowed"},
		"no stream":      {[]byte("\x00\x00\x00\x01oops"), 0, 8, "tiny", "zlib"},
		"cut stream":     {good, 0, n - 8, "tiny", "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := database(t, test.entry, test.offset, test.length)
			if _, err := Object(dir, test.object); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := Object(t.TempDir(), "tiny"); err == nil || !strings.Contains(err.Error(), "Rdata.rdx") {
		t.Errorf("an empty folder: error %v, want one that names the index", err)
	}
}
