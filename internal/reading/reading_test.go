package reading

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(s int, x float64) Value { return Value{noon.Add(time.Duration(s) * time.Second), x} }

func TestResample(t *testing.T) {
	points := []Value{at(-30, 1), at(5, 2), at(9, math.NaN()), at(10, 3), at(31, 4), at(95, 5)}
	got := Resample(points, Span{noon, noon.Add(100 * time.Second), 10 * time.Second})
	// At 0 and 30 the newest is a step old, or more; what is not finite is no point.
	want := []Value{at(10, 3), at(40, 4), at(100, 5)}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got := Resample(nil, Span{noon, noon, time.Second}); got != nil {
		t.Errorf("of nothing %v", got)
	}
}

func TestNewest(t *testing.T) {
	v, err := Newest([]Value{at(1, 7), at(2, math.Inf(1)), at(50, 8)}, noon.Add(10*time.Second))
	if err != nil || v != at(1, 7) {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := Newest([]Value{at(50, 8)}, noon); !errors.Is(err, ErrNone) {
		t.Errorf("only later ones: %v", err)
	}
}

func TestFill(t *testing.T) {
	of := Vars{Name: "churn", Arm: "canary", Version: `v"2\`, Revision: "1f0c"}
	for text, want := range map[string]string{
		`x{v="{{version}}",a="{{ arm }}"}`: `x{v="v\"2\\",a="canary"}`,
		`{{name}}-{{revision}}`:            `churn-1f0c`,
		`{ {x} }`:                          `{ {x} }`,
	} {
		if got, err := Fill(text, of, Quoted); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"{{namespace}}", "{{pods}}", "{{pod}}", "{{}}", "{{start}}"} {
		if got, err := Fill(text, of, nil); err == nil {
			t.Errorf("%s is %q", text, got)
		}
	}
	got, err := FillTimes(`range(start: {{start}}, stop: {{stop}}) every {{step}} of "{{version}}"`, of, Span{noon, noon.Add(time.Minute), 15 * time.Second}, Quoted)
	if want := `range(start: 2026-11-23T12:00:00Z, stop: 2026-11-23T12:01:00Z) every 15000ms of "v\"2\\"`; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if d := cmp.Diff([]string{"a", "b"}, Names("{{a}} {{ b }} {{a}}")); d != "" {
		t.Error(d)
	}
}
