package analysis

import (
	"math"
	"strconv"
	"time"
)

// percent writes a share with one decimal, and with two significant digits below
// one percent: 31.4%, 2.1%, 0.042%.
func percent(p float64) string {
	p *= 100
	a := math.Abs(p)
	switch {
	case a == 0:
		return "0%"
	case a >= 99.95:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	case a >= .95:
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	default:
		return strconv.FormatFloat(significant(p, 2), 'f', -1, 64) + "%"
	}
}

// bound is a limit and how to say it. It is put into words only when someone
// will read it.
type bound struct {
	words string
	value float64
	write func(float64) string
}

func (b bound) String() string {
	if b.write == nil {
		return ""
	}
	return b.words + b.write(b.value)
}

// points writes a difference of shares in percentage points.
func points(p float64) string { return number(100*p) + " points" }

// number writes a value with up to four significant digits.
func number(x float64) string { return strconv.FormatFloat(significant(x, 4), 'g', -1, 64) }

// seconds writes a latency with three significant digits.
func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return strconv.FormatFloat(significant(s*1e6, 3), 'f', -1, 64) + " µs"
	case s < 1:
		return strconv.FormatFloat(significant(s*1e3, 3), 'f', -1, 64) + " ms"
	default:
		return strconv.FormatFloat(significant(s, 3), 'f', -1, 64) + " s"
	}
}

// brief writes a duration without a fraction that says nothing.
func brief(d time.Duration) string { return seconds(d.Seconds()) }

// significant rounds x to n significant digits.
func significant(x float64, n int) float64 {
	if x == 0 {
		return 0
	}
	// Rounding in decimal keeps what is printed free of binary tails.
	v, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', n, 64), 64)
	if err != nil {
		return x
	}
	return v
}

// thousands writes n with separators: 1,310.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	out := make([]byte, 0, len(s)+len(s)/3)
	for i := range len(s) {
		if i > start && (len(s)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, s[i])
	}
	return string(out)
}

// about writes how long something will take, roughly. Nothing beyond a month is
// worth distinguishing.
func about(s float64) string {
	round := func(x float64) string { return strconv.FormatFloat(math.Max(1, math.Round(x)), 'f', 0, 64) }
	switch {
	case s < 90:
		return "about " + round(s) + " s"
	case s < 90*60:
		return "about " + round(s/60) + " min"
	case s < 48*3600:
		return "about " + round(s/3600) + " h"
	case s < 30*86400:
		return "about " + round(s/86400) + " days"
	default:
		return "more than a month"
	}
}
