package rds

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func text(values ...string) Value {
	v := Value{Kind: Character}
	for _, s := range values {
		v.Strings = append(v.Strings, String{Text: s})
	}
	return v
}

func TestReadDataFrame(t *testing.T) {
	got, err := Read(tinyFrame())
	if err != nil {
		t.Fatal(err)
	}
	paid := got.List[1].Doubles
	if paid[0] != 1.5 || !IsNA(paid[1]) || paid[2] != -2 {
		t.Errorf("paid = %v, want 1.5, NA, -2", paid)
	}
	got.List[1].Doubles[1] = 0 // NaN compares unequal to itself
	want := Value{
		Kind: List,
		List: []Value{
			{Kind: Integer, Ints: []int32{2, NAInt, 1}, Attributes: map[string]Value{
				"levels": text("a", "b"), "class": text("factor"),
			}},
			{Kind: Double, Doubles: []float64{1.5, 0, -2}},
			{Kind: Integer, Ints: []int32{3, NAInt, 0}},
		},
		Attributes: map[string]Value{
			"names":     text("plan", "paid", "months"),
			"class":     text("data.frame"),
			"row.names": {Kind: Integer, Ints: []int32{NAInt, -3}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
	plan, err := got.Field("plan")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, plan.Levels()); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
	if _, err := got.Field("absent"); err == nil {
		t.Error("Field(absent) found something")
	}
}

func TestReadVectors(t *testing.T) {
	for name, test := range map[string]struct {
		data []byte
		want Value
		len  int
	}{
		"NULL":      {serialised(2).ints(codeNil).Bytes(), Value{}, 0},
		"logical":   {serialised(2).ints(codeLogical, 3, 1, 0, NAInt).Bytes(), Value{Kind: Logical, Ints: []int32{1, 0, NAInt}}, 3},
		"character": {serialised(3).ints(codeCharacter, 2).chars("é", "NA").Bytes(), Value{Kind: Character, Strings: []String{{Text: "é"}, {NA: true}}}, 2},
		"double":    {serialised(3).ints(codeDouble, 1).doubles(0.1).Bytes(), Value{Kind: Double, Doubles: []float64{0.1}}, 1},
		"empty":     {serialised(3).ints(codeList, 0).Bytes(), Value{Kind: List, List: []Value{}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(test.data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Read (-want +got):\n%s", diff)
			}
			if got.Len() != test.len {
				t.Errorf("Len = %d, want %d", got.Len(), test.len)
			}
		})
	}
}

func TestIsNA(t *testing.T) {
	if !IsNA(naReal()) {
		t.Error("R's NA is not taken for NA")
	}
	for _, x := range []float64{math.NaN(), 1954, math.Inf(1)} {
		if IsNA(x) {
			t.Errorf("%v is taken for NA", x)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	deep := serialised(2)
	for range maxDepth + 1 {
		deep.ints(codeList, 1)
	}
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":           {nil, "not an XDR"},
		"text form":         {[]byte("A\n2\n"), "not an XDR"},
		"format 4":          {serialised(4).Bytes(), "format version 4"},
		"environment":       {serialised(2).ints(4, 0).Bytes(), "type 4"},
		"left over":         {serialised(2).ints(codeNil, 7).Bytes(), "4 bytes are left"},
		"deep":              {deep.Bytes(), "nested more than"},
		"untagged":          {serialised(2).ints(codeInteger|flagAttributes, 0, codePairlist).Bytes(), "tagged pairlist"},
		"unknown reference": {serialised(2).ints(codeInteger|flagAttributes, 0).seen(1).Bytes(), "reference 1"},
		"name of wrong type": {serialised(2).ints(codeInteger|flagAttributes, 0, codePairlist|flagTag, codeInteger).Bytes(),
			"where a name is expected"},
		"string of wrong type": {serialised(2).ints(codeCharacter, 1, codeInteger, 0).Bytes(), "where a string is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Read(test.data); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// A document cut anywhere is refused, and never for another reason.
func TestReadTruncated(t *testing.T) {
	whole := tinyFrame()
	for n := 2; n < len(whole); n++ {
		if _, err := Read(whole[:n]); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut at %d of %d: error %v, want ErrTruncated", n, len(whole), err)
		}
	}
}

// A vector that claims more than follows is refused before memory is taken.
func TestReadHugeClaim(t *testing.T) {
	for _, code := range []int32{codeInteger, codeDouble, codeCharacter, codeList} {
		for _, n := range []int32{math.MaxInt32, -1} {
			if _, err := Read(serialised(2).ints(code, n).Bytes()); !errors.Is(err, ErrTruncated) {
				t.Errorf("type %d, %d elements: error %v, want ErrTruncated", code, n, err)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(tinyFrame())
	f.Add(serialised(2).ints(codeNil).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Read(data)
		if err != nil {
			return
		}
		if again, err := Read(data); err != nil || again.Len() != v.Len() {
			t.Errorf("a second reading gave %d elements and error %v, the first %d", again.Len(), err, v.Len())
		}
	})
}
