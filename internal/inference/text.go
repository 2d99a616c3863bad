package inference

import (
	"strings"
	"unicode"

	"github.com/tidwall/gjson"
)

// MaxText is how many bytes of one generated text are kept to be compared, cut
// at the end of a character.
const MaxText = 16 << 10

// maxCompared is how many characters of a text are compared.
const maxCompared = 4096

// Text returns the generated text of a unary answer of protocol p, of its first
// choice alone; ok is false where there is none. Only OpenAI's API has one.
func Text(p Protocol, body []byte) (text string, ok bool) {
	if p != OpenAI || !gjson.ValidBytes(body) {
		return "", false
	}
	root := gjson.ParseBytes(body)
	choice := root.Get("choices.0")
	for _, v := range []gjson.Result{choice.Get("message.content"), choice.Get("text"), root.Get(`output.#(type=="message").content`)} {
		switch {
		case v.Type == gjson.String:
			return keepText(v.Str), true
		case v.IsArray():
			var parts strings.Builder
			v.ForEach(func(_, part gjson.Result) bool {
				parts.WriteString(part.Get("text").Str)
				return parts.Len() < MaxText
			})
			return keepText(parts.String()), true
		}
	}
	return "", false
}

// keepText is the beginning of a text, in memory of its own.
func keepText(s string) string { return strings.Clone(cut(strings.ToValidUTF8(s, "\uFFFD"), MaxText)) }

// Similarity tells how alike two texts are, from 0 to 1: the F-score, with
// precision and recall alike, of the runs of one to six characters that they
// share, white space left out (chrF with β = 1: M. Popović, "chrF: character
// n-gram F-score for automatic MT evaluation", WMT 2015). It needs no words, and
// so no language. Of long texts the first 4096 characters are compared. Two
// empty texts are the same.
func Similarity(a, b string) float64 {
	x, y := compared(a), compared(b)
	if len(x) == 0 || len(y) == 0 {
		if len(x) == len(y) {
			return 1
		}
		return 0
	}
	const longest = 6
	precision, recall, orders := 0.0, 0.0, 0.0
	counts := make(map[[longest]rune]int, max(len(x), len(y)))
	for n := 1; n <= longest && n <= max(len(x), len(y)); n++ {
		clear(counts)
		gram := func(of []rune, i int) (g [longest]rune) {
			copy(g[:], of[i:i+n])
			return g
		}
		for i := 0; i+n <= len(x); i++ {
			counts[gram(x, i)]++
		}
		shared := 0
		for i := 0; i+n <= len(y); i++ {
			if g := gram(y, i); counts[g] > 0 {
				counts[g]--
				shared++
			}
		}
		orders++
		recall += float64(shared) / float64(max(1, len(x)-n+1))
		precision += float64(shared) / float64(max(1, len(y)-n+1))
	}
	if precision+recall == 0 {
		return 0
	}
	return 2 * precision * recall / (precision + recall) / orders
}

// compared are the characters of a text that are compared.
func compared(s string) []rune {
	out := make([]rune, 0, min(len(s), maxCompared))
	for _, r := range s {
		if unicode.IsSpace(r) {
			continue
		}
		if len(out) == maxCompared {
			break
		}
		out = append(out, r)
	}
	return out
}
