package inference

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPrepare(t *testing.T) {
	for in, want := range map[string]string{
		`[1,2]`:                          `[1,2]`,
		`[NaN,1]`:                        `[null,1]`,
		`[ -Infinity , Infinity , Inf ]`: `[ null , null , null ]`,
		`[-Inf,-NaN]`:                    `[null,null]`,
		`{"a":NaN}`:                      `{"a":null}`,
		`NaN`:                            `null`,
		`["NaN","-Infinity"]`:            `["NaN","-Infinity"]`,
		`["\"NaN",NaN,"\\",NaN]`:         `["\"NaN",null,"\\",null]`,
		`{"Infinity":Infinity}`:          `{"Infinity":null}`,
		`[1E5]`:                          `[1E5]`,
		deep(MaxDepth):                   deep(MaxDepth),
	} {
		var scratch []byte
		body := []byte(in)
		got, ok := prepare(body, &scratch)
		if !ok || got != want {
			t.Errorf("prepare(%s) = %s, %v; want %s", in, got, ok, want)
		}
		if string(body) != in {
			t.Errorf("prepare changed %s to %s", in, body)
		}
	}
	for _, in := range []string{
		``, ` `, `[1NaN]`, `[NaN1]`, `[--Infinity]`, `[NaNaN]`, `[nan]`, `[N]`, `[Infinite]`, `[1,]`, `"open`, `"open\`, `["NaN]`,
		deep(MaxDepth + 1), strings.Repeat("[", 1<<20), `[1] [2]`, `]`,
	} {
		var scratch []byte
		if got, ok := prepare([]byte(in), &scratch); ok {
			t.Errorf("prepare(%.20q) = %.20q, want it refused", in, got)
		}
	}
}

func FuzzPrepare(f *testing.F) {
	f.Add([]byte(`{"a":[NaN,-Infinity,"NaN\"",1e400]}`))
	f.Add([]byte(`[-NaN,Inf]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var scratch []byte
		got, ok := prepare(body, &scratch)
		if ok && !json.Valid([]byte(got)) {
			t.Errorf("prepare(%q) = %q, which is no JSON", body, got)
		}
		if !ok && json.Valid(body) && scan(body).depth <= MaxDepth {
			t.Errorf("prepare(%q) refused JSON", body)
		}
	})
}
