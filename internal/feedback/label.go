package feedback

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// canonical is the one spelling of a class or label: a number loses what does
// not change it ("1.0", "1e0" and "1" are "1"), everything else stays as it is.
// Only what JSON would call a number is one: "007" and "0x1" are names.
func canonical(s string) string {
	if !isNumber(s) {
		return s
	}
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f == 0 && strings.Trim(mantissa(s), "-0.") != "" {
			return s // out of range: equal only to itself
		}
		// Beyond 2⁵³ not every integer is a float, so an exponent may name
		// another number than the one shown in full.
		if math.Abs(f) >= 1<<53 {
			return strconv.FormatFloat(f, 'e', -1, 64)
		}
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	// Without an exponent the digits are exact, however many.
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

func mantissa(s string) string { return s[:strings.IndexAny(s, "eE")] }

// isNumber reports whether s is a number by the grammar of JSON.
func isNumber(s string) bool {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	if s == "" || s[0] != '-' && !digit(s[0]) || !digit(s[len(s)-1]) {
		return false // among others, what has space around it
	}
	return json.Valid([]byte(s))
}

var errLabel = errors.New("label must be a string, a number, true or false")

// label is a label as it was sent.
type label struct {
	text    string // canonical
	number  float64
	numeric bool
}

// readLabel reads a JSON scalar.
func readLabel(raw json.RawMessage) (label, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return label{}, errLabel
	}
	var text string
	switch c := raw[0]; {
	case c == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return label{}, errLabel
		}
		if text == "" {
			return label{}, errors.New("label is empty")
		}
	case c == 't' || c == 'f' || c == '-' || c >= '0' && c <= '9':
		text = string(raw)
	default:
		return label{}, errLabel
	}
	l := label{text: canonical(text)}
	if isNumber(text) {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			l.number, l.numeric = f, true
		}
	}
	return l, nil
}

// isNegative reports whether a predicted class says that the thing asked about
// does not happen, by the names commonly given to it.
func isNegative(class string) bool {
	switch strings.ToLower(canonical(class)) {
	case "0", "-1", "false", "no", "negative":
		return true
	}
	return false
}
