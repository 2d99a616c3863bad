package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/examples/churn/convert/rds"
)

func text(values ...string) rds.Value {
	v := rds.Value{Kind: rds.Character}
	for _, s := range values {
		v.Strings = append(v.Strings, rds.String{Text: s})
	}
	return v
}

func frame(names []string, columns ...rds.Value) rds.Value {
	return rds.Value{Kind: rds.List, List: columns, Attributes: map[string]rds.Value{"names": text(names...)}}
}

func TestWriteCSV(t *testing.T) {
	na := math.Float64frombits(0x7FF00000000007A2)
	plan := rds.Value{Kind: rds.Integer, Ints: []int32{2, rds.NAInt, 1},
		Attributes: map[string]rds.Value{"levels": text("a, b", "c")}}
	var out bytes.Buffer
	err := writeCSV(&out, frame([]string{"plan", "paid", "months", "late", "note"},
		plan,
		rds.Value{Kind: rds.Double, Doubles: []float64{29.85, na, 1e6}},
		rds.Value{Kind: rds.Integer, Ints: []int32{3, rds.NAInt, 0}},
		rds.Value{Kind: rds.Logical, Ints: []int32{1, 0, rds.NAInt}},
		text("x", "", "z"),
	))
	if err != nil {
		t.Fatal(err)
	}
	want := "plan,paid,months,late,note\nc,29.85,3,true,x\n,,,false,\n\"a, b\",1000000,0,,z\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}
}

func TestWriteCSVRefuses(t *testing.T) {
	one := rds.Value{Kind: rds.Integer, Ints: []int32{1}}
	two := rds.Value{Kind: rds.Integer, Ints: []int32{1, 2}}
	factor := rds.Value{Kind: rds.Integer, Ints: []int32{3}, Attributes: map[string]rds.Value{"levels": text("a")}}
	nested := rds.Value{Kind: rds.List, List: []rds.Value{one}}
	for name, test := range map[string]struct {
		frame rds.Value
		want  string
	}{
		"a vector":        {one, "not a data frame"},
		"unnamed":         {rds.Value{Kind: rds.List, List: []rds.Value{one}}, "not a data frame"},
		"uneven":          {frame([]string{"a", "b"}, one, two), "column b has 2 rows, a has 1"},
		"level too high":  {frame([]string{"a"}, factor), "level 3 of a factor with 1"},
		"list in columns": {frame([]string{"a"}, nested), "a list inside a column"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := writeCSV(io.Discard, test.frame); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// Equal data give equal files, whose content is what went in.
func TestSaveCompressed(t *testing.T) {
	dir := t.TempDir()
	var files [2][]byte
	for i, name := range []string{"a.csv.gz", "b.csv.gz"} {
		path := filepath.Join(dir, name)
		if err := save(path, []byte("a,b\n1,2\n")); err != nil {
			t.Fatal(err)
		}
		var err error
		if files[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("the same data gave two different files")
	}
	unzip, err := gzip.NewReader(bytes.NewReader(files[0]))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(unzip); err != nil || string(got) != "a,b\n1,2\n" {
		t.Errorf("unpacked %q, %v", got, err)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no folder":    {nil, "one data folder wanted"},
		"empty folder": {[]string{t.TempDir()}, "Rdata.rdx"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(test.args, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
