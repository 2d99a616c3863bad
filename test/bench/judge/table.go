package main

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// table is rows of cells under a header.
type table struct {
	header []string
	rows   [][]string
}

// String writes the table in Markdown, its columns padded so that a terminal shows
// it as well.
func (t table) String() string {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c), 3)
		}
	}
	var b strings.Builder
	line := func(row []string) {
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i == 0 {
				fmt.Fprintf(&b, "| %s%s |", c, pad)
			} else {
				fmt.Fprintf(&b, " %s%s |", pad, c)
			}
		}
		b.WriteByte('\n')
	}
	line(t.header)
	for i, w := range widths {
		if i == 0 {
			fmt.Fprintf(&b, "|:%s-|", strings.Repeat("-", w))
		} else {
			fmt.Fprintf(&b, "-%s:|", strings.Repeat("-", w))
		}
	}
	b.WriteByte('\n')
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// share writes hits of n in percent.
func share(hits, n int) string { return digits(100 * float64(hits) / float64(n)) }

// digits writes a number with as many digits as it deserves.
func digits(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v == 0:
		return "0"
	case v < 9.95:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

// byRule makes a table with a row for every rule and a column for every result.
func byRule(results []result, columns []string, show func(result, tally) string) table {
	t := table{header: append([]string{"rule"}, columns...)}
	for i, r := range results[0].tallies {
		row := []string{r.rule}
		for _, res := range results {
			row = append(row, show(res, res.tallies[i]))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// fires reports whether a rule takes back so many healthy canaries of the same
// base, rate and split that what it catches says nothing.
func fires(healthy result, rule string) bool {
	for _, t := range healthy.tallies {
		if t.rule == rule {
			return float64(t.early) > .05*float64(t.runs)
		}
	}
	return false
}
