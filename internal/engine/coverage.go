package engine

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// What makes the coverage of two arms very different: enough to matter, and
// more than chance gives.
const (
	unevenPoints = 0.10 // this many points apart
	unevenRatio  = 1.5  // or one this many times the other
	unevenZ      = 5    // standard errors of the difference, by the pooled share
	unevenLeast  = 100  // predictions of each arm, below which the normal approximation is poor
)

// uneven says that the arms' labels are not comparable, "" if they may be.
// Labels are a sample of the predictions; one that depends on the arm can look
// like a difference between the models.
func uneven(labels map[string]Coverage) string {
	s, c := labels[traffic.Stable.String()], labels[traffic.Canary.String()]
	if s.Predicted < unevenLeast || c.Predicted < unevenLeast {
		return ""
	}
	ps, pc := s.share(), c.share()
	low, high := min(ps, pc), max(ps, pc)
	if high-low < unevenPoints && high <= unevenRatio*low {
		return ""
	}
	ns, nc := float64(s.Predicted), float64(c.Predicted)
	pooled := (ns*ps + nc*pc) / (ns + nc)
	if high-low < unevenZ*math.Sqrt(pooled*(1-pooled)*(1/ns+1/nc)) {
		return ""
	}
	return fmt.Sprintf("Labels came for %s of stable's predictions and %s of the canary's: where labels depend on the arm, "+
		"a difference between them may be one of the labels. Find out why before you trust metrics of labels", roughly(ps), roughly(pc))
}

// share is at most 1: a crash can lose predictions of which labels came.
func (c Coverage) share() float64 {
	if c.Predicted <= 0 {
		return 0
	}
	return min(1, float64(c.Labelled)/float64(c.Predicted))
}

func roughly(share float64) string {
	if share > 0 && share < 0.1 {
		return fmt.Sprintf("%.1f%%", 100*share)
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}
