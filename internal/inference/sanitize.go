package inference

import (
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"
)

// view is body as a string without a copy. The string must not be kept beyond
// the call that was given body.
func view(body []byte) string { return unsafe.String(unsafe.SliceData(body), len(body)) }

// bytesOf is s as bytes without a copy; they must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// prepare makes body safe to read: a valid JSON document of bounded depth in
// which the tokens NaN, Infinity, Inf and -Infinity, which several servers
// write although JSON has none, are null. The result is a view of body, or of
// *scratch when something had to be replaced.
//
// The replacing comes first because gjson drops a NaN inside an array, which
// would move every element after it to a wrong index.
func prepare(body []byte, scratch *[]byte) (json string, ok bool) {
	shape := scan(body)
	if shape.depth > MaxDepth || shape.open {
		return "", false
	}
	if shape.tokens {
		*scratch = replaceTokens((*scratch)[:0], body)
		body = *scratch
	}
	json = view(body)
	return json, gjson.Valid(json)
}

type shape struct {
	depth  int  // deepest nesting
	tokens bool // a token such as NaN occurs outside strings
	open   bool // ends inside a string
}

// scan looks over a document once. It only counts and finds; whether the
// document is valid is asked later.
func scan(body []byte) (s shape) {
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			end := stringEnd(body, i)
			if end < 0 {
				s.open = true
				return s
			}
			i = end
		case '{', '[':
			depth++
			s.depth = max(s.depth, depth)
		case '}', ']':
			depth--
		case 'N', 'I':
			s.tokens = true
		}
	}
	return s
}

// stringEnd returns the index of the quote that ends the string opened at i, or
// -1.
func stringEnd(body []byte, i int) int {
	for i++; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// nonFinite are the spellings of numbers that JSON has not. Neither N nor I
// begins anything else outside a string. The longer comes first.
var nonFinite = [...]string{"NaN", "Infinity", "Inf"}

// replaceTokens appends body to dst with null in the place of non-finite
// numbers. A minus before one goes too.
func replaceTokens(dst, body []byte) []byte {
	from := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			// scan has seen that every string ends.
			i = stringEnd(body, i)
		case 'N', 'I':
			rest := view(body[i:])
			for _, token := range nonFinite {
				if !strings.HasPrefix(rest, token) {
					continue
				}
				dst = append(dst, body[from:i]...)
				if n := len(dst); n > 0 && dst[n-1] == '-' {
					dst = dst[:n-1]
				}
				dst = append(dst, "null"...)
				from = i + len(token)
				i = from - 1
				break
			}
		}
	}
	return append(dst, body[from:]...)
}

// cut shortens s to at most n bytes without splitting a character.
func cut[T string | []byte](s T, n int) T {
	if len(s) <= n {
		return s
	}
	for i := 0; i < utf8.UTFMax && n > 0 && !utf8.RuneStart(s[n]); i++ {
		n--
	}
	return s[:n]
}
