package feedback

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"1": "1", "1.0": "1", "1.50": "1.5", "-0": "0", "-0.0": "0", "1e0": "1", "10e-1": "1", "-2.50": "-2.5",
		"100": "100", "0.10": "0.1", "1E2": "100", "1e20": "1e+20", "0e5": "0",
		// More digits than a float holds stay apart.
		"9007199254740993": "9007199254740993", "12345678901234567890.0": "12345678901234567890",
		// Names, not numbers.
		"": "", "yes": "yes", "True": "True", "007": "007", "+1": "+1", "0x1": "0x1", ".5": ".5", "5.": "5.",
		" 1": " 1", "1 ": "1 ", "1,0": "1,0", "NaN": "NaN", "Infinity": "Infinity", "-": "-", "1e": "1e",
		"1e999": "1e999", "1e-999": "1e-999", "00": "00",
	} {
		if got := canonical(in); got != want {
			t.Errorf("canonical(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCanonicalIsOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`-?(0|[1-9]\d{0,20})(\.\d{1,8})?([eE][+-]?\d{1,4})?`)).Draw(t, "s")
		once := canonical(s)
		if twice := canonical(once); twice != once {
			t.Fatalf("%q became %q and then %q", s, once, twice)
		}
		// The number named stays the same, as far as floats can tell.
		a, errA := strconv.ParseFloat(s, 64)
		b, errB := strconv.ParseFloat(once, 64)
		if isNumber(s) && errA == nil && (errB != nil || a != b) {
			t.Fatalf("%q (%v) became %q (%v, %v)", s, a, once, b, errB)
		}
	})
}

func TestReadLabel(t *testing.T) {
	for raw, want := range map[string]label{
		`"yes"`:  {text: "yes"},
		`" yes"`: {text: " yes"},
		`1`:      {"1", 1, true},
		` 1.0 `:  {"1", 1, true},
		`"1"`:    {"1", 1, true},
		`-2.5e0`: {"-2.5", -2.5, true},
		`true`:   {text: "true"},
		`false`:  {text: "false"},
		`"true"`: {text: "true"},
		`"é"`:    {text: "é"},
		`1e999`:  {text: "1e999"},
	} {
		got, err := readLabel(json.RawMessage(raw))
		if err != nil || got != want {
			t.Errorf("label %s is %+v, %v; want %+v", raw, got, err, want)
		}
	}
	for _, raw := range []string{``, ` `, `null`, `[]`, `{}`, `""`, `["yes"]`, `"open`} {
		if got, err := readLabel(json.RawMessage(raw)); err == nil {
			t.Errorf("label %s was read as %+v", raw, got)
		}
	}
}

func TestIsNegative(t *testing.T) {
	for class, want := range map[string]bool{
		"0": true, "0.0": true, "-1": true, "no": true, "No": true, "FALSE": true, "negative": true,
		"1": false, "yes": false, "": false, "nope": false, "(other)": false,
	} {
		if got := isNegative(class); got != want {
			t.Errorf("isNegative(%q) = %v", class, got)
		}
	}
}

func TestParse(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"one":                {`{"id":"a","label":"yes"}`, 1},
		"with a time":        {`{"id":"a","label":1,"time":"2026-01-02T03:04:05Z"}`, 1},
		"a value":            {`{"requestId":"a","value":-2.5}`, 1},
		"a label of null":    {`{"id":"a","label":null,"value":1}`, 1},
		"an array":           {` [{"id":"a","label":true},{"id":"b","value":0}] `, 2},
		"no items":           {`[]`, 0},
		"one a line":         {"{\"id\":\"a\",\"label\":1}\n{\"id\":\"b\",\"label\":2}\r\n\n", 2},
		"one after another":  {`{"id":"a","label":1}{"id":"b","label":2}`, 2},
		"as many as allowed": {strings.Repeat(`{"id":"a","label":1}`, 4), 4},
	} {
		got, err := parse([]byte(tt.body), 4, (*body).item)
		if err != nil || len(got) != tt.want {
			t.Errorf("%s: %d items, %v; want %d", name, len(got), err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ body, want string }{
		"nothing":          {"", "empty"},
		"space":            {" \n", "empty"},
		"no JSON":          {"id=a&label=1", "item 0"},
		"a number":         {"1", "item 0: want an object, not a number"},
		"null":             {"null", "item 0: want an object, not null"},
		"nested":           {`[[{"id":"a","label":1}]]`, "item 0: want an object, not a array"},
		"cut short":        {`{"id":"a","label":1}` + "\n" + `{"id":"b","la`, "item 1: the JSON ends too early"},
		"array cut short":  {`[{"id":"a","label":1}`, "not closed"},
		"array, then more": {`[{"id":"a","label":1}] {}`, "follows the array"},
		"no ID":            {`{"label":1}`, "exactly one of id and requestId"},
		"two IDs":          {`{"id":"a","requestId":"b","label":1}`, "exactly one of id and requestId"},
		"empty ID":         {`{"id":"","label":1}`, "ID is empty"},
		"long request ID":  {`{"requestId":"` + strings.Repeat("x", 257) + `","label":1}`, "257 bytes"},
		"neither":          {`{"id":"a"}`, "exactly one of label and value"},
		"both":             {`{"id":"a","label":1,"value":1}`, "exactly one of label and value"},
		"a label of null":  {`{"id":"a","label":null}`, "exactly one of label and value"},
		"a list of labels": {`{"id":"a","label":["x"]}`, "label must be"},
		"empty label":      {`{"id":"a","label":""}`, "label is empty"},
		"value as text":    {`{"id":"a","value":"1"}`, "value cannot be a string"},
		"value too large":  {`{"id":"a","value":1e999}`, "item 0"},
		"unknown field":    {`{"id":"a","lable":"yes"}`, "lable"},
		"bad time":         {`{"id":"a","label":1,"time":"yesterday"}`, "item 0"},
		"the second":       {`[{"id":"a","label":1},{"id":"b"}]`, "item 1"},
		"too many":         {strings.Repeat(`{"id":"a","label":1}`, 5), "at most 4"},
		"too many, array":  {`[` + strings.Repeat(`{"id":"a","label":1},`, 4) + `{"id":"a","label":1}]`, "at most 4"},
	} {
		got, err := parse([]byte(tt.body), 4, (*body).item)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d items, error %v; want one with %q", name, len(got), err, tt.want)
		}
	}
}

// FuzzParse: whatever a stranger sends, items come out well-formed or not at all.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"id":"a","label":"yes"}`, `[{"id":"a.1","value":-1.5e3},{"requestId":"b","label":true}]`,
		"{\"id\":\"a\",\"label\":1.0}\n{\"id\":\"b\",\"label\":\"1\"}", `[`, `[]{}`, `{"id":1}`, "\x00", `{"id":"\ud800","label":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		items, err := parse(data, 10, (*body).item)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		if len(items) > 10 {
			t.Fatalf("%d items", len(items))
		}
		for _, it := range items {
			if (it.ID == "") == (it.RequestID == "") || it.HasLabel == it.HasValue || !isFinite(it.Value) || !isFinite(it.label.number) {
				t.Fatalf("a bad item: %+v", it)
			}
			if it.HasLabel && (it.label.text == "" || canonical(it.label.text) != it.label.text) {
				t.Fatalf("a bad label: %+v", it.label)
			}
		}
	})
}
