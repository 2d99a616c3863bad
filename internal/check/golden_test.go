package check

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGolden(t *testing.T) {
	const infer = `{"model_name":"churn","outputs":[{"name":"p","shape":[1,2],"data":[0.29,0.71]}]}`
	for _, c := range []struct{ name, want, got, says string }{
		{"the same", infer, infer, ""},
		{"another model version beside it", `{"outputs":[{"data":[0.29,0.71]}]}`, `{"id":"7","model_version":"2","outputs":[{"name":"p","data":[0.29,0.71]}]}`, ""},
		{"within the tolerance", `{"data":[0.71]}`, `{"data":[0.715]}`, ""},
		{"beyond it", `{"outputs":[{"data":[0.29,0.71]}]}`, `{"outputs":[{"data":[0.29,0.65]}]}`,
			"says outputs[0].data[1] is 0.65, where 0.71 was expected (tolerance 0.01)"},
		{"relative to large numbers", `{"tokens":1000}`, `{"tokens":1009}`, ""},
		{"the first that differs", `{"b":1,"a":1}`, `{"b":2,"a":3}`, "says a is 3, where 1 was expected"},
		{"a field that is not there", `{"a":{"b c":1}}`, `{"a":{}}`, `has no a["b c"], where 1 was expected`},
		{"a shorter list", `{"data":[1,2]}`, `{"data":[1]}`, "has 1 elements in data, where 2 were expected"},
		{"another class", `{"label":"yes"}`, `{"label":"no"}`, `says label is "no", where "yes" was expected`},
		{"another type", `{"label":1}`, `{"label":"1"}`, `says label is "1", where 1 was expected`},
		{"no list", `[1]`, `{}`, "says the answer is {}, where [1] was expected"},
		{"no object", `{"a":1}`, `[1]`, `says the answer is [1], where {"a":1} was expected`},
		{"null", `{"a":null}`, `{"a":null}`, ""},
		{"truth", `{"a":true}`, `{"a":false}`, "says a is false, where true was expected"},
		{"no JSON", `{"a":1}`, `<html>`, "answers what is no JSON"},
		{"not a number", `{"a":1}`, `{"a":NaN}`, "answers what is no JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			same, err := Golden([]byte(c.want), 0.01)
			if err != nil {
				t.Fatal(err)
			}
			err = same(Answer{Body: []byte(c.got)})
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("says %v, want %q", err, c.says)
			}
		})
	}
	if _, err := Golden([]byte("{"), 0); err == nil {
		t.Error("half an object is golden")
	}
}

// TestGoldenProperties: every JSON holds itself, whatever the tolerance and
// whatever is added to its objects; and one number moved beyond the tolerance is
// always found.
func TestGoldenProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := document(3).Draw(t, "document")
		text := encoded(t, want)
		same, err := Golden(text, rapid.SampledFrom([]float64{0, 0.01, 1}).Draw(t, "tolerance"))
		if err != nil {
			t.Fatal(err)
		}
		if err := same(Answer{Body: encoded(t, more(want))}); err != nil {
			t.Fatalf("%s with more fields: %v", text, err)
		}
		moved, any := nudge(want)
		if !any {
			return
		}
		strict, _ := Golden(text, 0.01)
		if err := strict(Answer{Body: encoded(t, moved)}); err == nil {
			t.Fatalf("%s holds %s", encoded(t, moved), text)
		}
	})
}

func encoded(t *rapid.T, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// document draws JSON as encoding/json reads it.
func document(depth int) *rapid.Generator[any] {
	leaf := []*rapid.Generator[any]{
		rapid.Float64Range(-1e6, 1e6).AsAny(), rapid.Bool().AsAny(), rapid.StringMatching(`[a-z ]{0,5}`).AsAny(), rapid.Just[any](nil),
	}
	if depth == 0 {
		return rapid.OneOf(leaf...)
	}
	deeper := rapid.Deferred(func() *rapid.Generator[any] { return document(depth - 1) })
	return rapid.OneOf(append(leaf,
		rapid.Map(rapid.SliceOfN(deeper, 0, 3), func(x []any) any { return x }),
		rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`), deeper, 0, 3), func(x map[string]any) any { return x }))...)
}

// more is v with a field more in every object.
func more(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{"another field": 1.0}
		for k, x := range v {
			out[k] = more(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = more(x)
		}
		return out
	}
	return v
}

// nudge moves the first number by a tenth, and at least by a tenth of one.
func nudge(v any) (any, bool) {
	switch v := v.(type) {
	case float64:
		return v + max(0.1, v/10, -v/10), true
	case []any:
		for i, x := range v {
			if moved, ok := nudge(x); ok {
				out := append([]any{}, v...)
				out[i] = moved
				return out, true
			}
		}
	case map[string]any:
		for k, x := range v {
			if moved, ok := nudge(x); ok {
				out := map[string]any{}
				for k, x := range v {
					out[k] = x
				}
				out[k] = moved
				return out, true
			}
		}
	}
	return v, false
}

func FuzzGolden(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}]}`), []byte(`{"a":[1,{"b":2}]}`))
	f.Fuzz(func(t *testing.T, want, got []byte) {
		same, err := Golden(want, 0.01)
		if err != nil {
			return
		}
		if err := same(Answer{Body: want}); err != nil {
			t.Errorf("%q does not hold itself: %v", want, err)
		}
		_ = same(Answer{Body: got}) // does not panic
	})
}
