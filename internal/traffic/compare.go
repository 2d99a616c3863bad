package traffic

import (
	"math"
	"time"
)

// Compare says when the two answers to a mirrored request still agree.
type Compare struct {
	// Tolerance and Relative are by how much two numbers may differ: the greater
	// of the first and of the second times the greater number (as PEP 485 has
	// it). With neither, 0.01 and 1%.
	Tolerance float64 `json:"tolerance,omitempty"`
	Relative  float64 `json:"relative,omitempty"`
	// MinSimilarity is how alike two generated texts must be, from 0 to 1; 0
	// compares no texts.
	MinSimilarity float64 `json:"minSimilarity,omitempty"`
	// SlowerShare and SlowerBy are by how much the canary's answer may take
	// longer: a share of stable's time, and a time. With neither, 25%.
	SlowerShare float64       `json:"slowerShare,omitempty"`
	SlowerBy    time.Duration `json:"slowerBy,omitempty"`
}

// Near reports whether two numbers agree.
func (c Compare) Near(a, b float64) bool {
	if c.Tolerance == 0 && c.Relative == 0 {
		c.Tolerance, c.Relative = 0.01, 0.01
	}
	return math.Abs(a-b) <= max(c.Tolerance, c.Relative*max(math.Abs(a), math.Abs(b)))
}

// Slower reports whether the canary's answer took longer than it may.
func (c Compare) Slower(stable, canary time.Duration) bool {
	if c.SlowerShare == 0 && c.SlowerBy == 0 {
		c.SlowerShare = 0.25
	}
	return float64(canary-stable) > c.SlowerShare*float64(stable)+float64(c.SlowerBy)
}
