package plan

import (
	"math"
	"strconv"
)

// number writes x with n significant digits.
func number(x float64, n int) string {
	v, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', n, 64), 64)
	if err != nil {
		return strconv.FormatFloat(x, 'g', n, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// percent writes a share with up to three significant digits.
func percent(p float64) string {
	if p > .995 {
		return number(100*p, 4) + "%"
	}
	return number(100*p, 2+btoi(p >= .1)) + "%"
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// span writes seconds roughly, for people: "8 min", "2.5 h", "never".
func span(s float64) string {
	switch {
	case math.IsInf(s, 1) || math.IsNaN(s):
		return "never"
	case s < 90:
		return number(math.Ceil(s), 2) + " s"
	case s < 90*60:
		return number(s/60, 2) + " min"
	case s < 48*3600:
		return number(s/3600, 2) + " h"
	case s < 60*86400:
		return number(s/86400, 2) + " days"
	}
	return "months"
}
