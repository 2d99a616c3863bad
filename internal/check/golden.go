package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Golden returns what expects an answer to hold the JSON of want: every field of
// an object that want has, lists of the same length, and equal values. Numbers
// a and b are equal if |a-b| <= tolerance·max(1, |a|, |b|), as the gateway
// compares mirrored answers. The error names the first path that differs, in
// the order of want's lists and of the names of its fields.
func Golden(want []byte, tolerance float64) (Expect, error) {
	var expected any
	if err := json.Unmarshal(want, &expected); err != nil {
		return nil, fmt.Errorf("is no JSON: %w", err)
	}
	return func(a Answer) error {
		var got any
		if err := json.Unmarshal(a.Body, &got); err != nil {
			return errors.New("answers what is no JSON, and cannot be compared")
		}
		return differ("", expected, got, tolerance)
	}, nil
}

// differ returns nil, or where and how got differs from want.
func differ(path string, want, got any, tolerance float64) error {
	switch want := want.(type) {
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok {
			return unlike(path, want, got)
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			value, ok := have[name]
			at := field(path, name)
			if !ok {
				return fmt.Errorf("has no %s, where %s was expected", at, shown(want[name]))
			}
			if err := differ(at, want[name], value, tolerance); err != nil {
				return err
			}
		}
		return nil
	case []any:
		have, ok := got.([]any)
		if !ok {
			return unlike(path, want, got)
		}
		if len(have) != len(want) {
			return fmt.Errorf("has %d elements in %s, where %d were expected", len(have), orWhole(path), len(want))
		}
		for i := range want {
			if err := differ(path+"["+strconv.Itoa(i)+"]", want[i], have[i], tolerance); err != nil {
				return err
			}
		}
		return nil
	case float64:
		have, ok := got.(float64)
		if !ok {
			return unlike(path, want, got)
		}
		if !(math.Abs(want-have) <= tolerance*max(1, math.Abs(want), math.Abs(have))) {
			return fmt.Errorf("says %s is %s, where %s was expected (tolerance %s)", orWhole(path), shown(have), shown(want), shown(tolerance))
		}
		return nil
	}
	if want != got {
		return unlike(path, want, got)
	}
	return nil
}

func unlike(path string, want, got any) error {
	return fmt.Errorf("says %s is %s, where %s was expected", orWhole(path), shown(got), shown(want))
}

// field is the path of a field, as CEL writes it.
func field(path, name string) string {
	for i, r := range name {
		if r != '_' && !(r >= 'a' && r <= 'z') && !(r >= 'A' && r <= 'Z') && !(i > 0 && r >= '0' && r <= '9') {
			return path + "[" + strconv.Quote(name) + "]"
		}
	}
	if name == "" {
		return path + `[""]`
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func orWhole(path string) string {
	if path == "" {
		return "the answer"
	}
	return path
}

// shown is a value in a sentence.
func shown(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const most = 60
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return string(text)
}
