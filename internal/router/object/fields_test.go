package object

import "testing"

func TestGCD(t *testing.T) {
	for _, c := range []struct{ a, b, want int64 }{{0, 0, 0}, {0, 7, 7}, {7, 0, 7}, {90, 10, 10}, {1, 100, 1}, {12, 18, 6}} {
		if got := GCD(c.a, c.b); got != c.want {
			t.Errorf("GCD(%d, %d) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestList(t *testing.T) {
	v := map[string]any{"rules": []any{"a", "b"}, "name": "n"}
	if got := List(v, "rules"); len(got) != 2 {
		t.Errorf("rules: %v", got)
	}
	for _, missing := range []any{List(v, "name"), List(v, "none"), List("text", "rules"), List(nil, "rules")} {
		if got := missing.([]any); got != nil {
			t.Errorf("a list where there is none: %v", got)
		}
	}
}
