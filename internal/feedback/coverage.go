package feedback

import (
	"fmt"
	"sync"
	"time"
)

// Share is how many predictions a label came for.
type Share struct {
	Predicted int64 `json:"predicted"`
	Labelled  int64 `json:"labelled"`
	Wrong     int64 `json:"wrong"` // of labelled
}

// Of returns the covered share; ok is false if nothing was predicted.
func (s Share) Of() (share float64, ok bool) {
	if s.Predicted <= 0 {
		return 0, false
	}
	return min(1, float64(s.Labelled)/float64(s.Predicted)), true
}

// ArmCoverage is the coverage of one arm, as a whole and by predicted class.
type ArmCoverage struct {
	Share
	Classes map[string]Share `json:"classes,omitempty"`
}

// coverageFor is how long a Coverage is good for.
const coverageFor = time.Second

type coverageCache struct {
	mu       sync.Mutex
	at       time.Time
	revision uint32
	value    []ArmCoverage
}

// Coverage returns by arm, over the mature cohorts of the present revision that are
// still kept, for how many predictions a label came. The result may be a second
// old and must not be changed.
func (l *Ledger) Coverage() ([]ArmCoverage, error) {
	c := &l.coverage
	c.mu.Lock()
	defer c.mu.Unlock()
	now, revision := l.opt.Now(), l.revision.Load()
	if !c.at.IsZero() && c.revision == revision && now.Sub(c.at).Abs() < coverageFor {
		return c.value, nil
	}
	value := make([]ArmCoverage, l.opt.Arms)
	for arm := range value {
		value[arm].Classes = map[string]Share{}
	}
	end := floor(now.UnixMilli()-l.opt.Maturity.Milliseconds(), l.length)
	err := scan(l, cohortsBucket, now.Add(-l.opt.TTL).UnixMilli(), end, decodeCounts, func(at cell, n counts) bool {
		if at.revision == revision && int(at.arm) < len(value) {
			a := &value[at.arm]
			a.Share = a.plus(n)
			a.Classes[at.class] = a.Classes[at.class].plus(n)
		}
		return true
	})
	if err != nil {
		return value, fmt.Errorf("read coverage of rollout %s: %w", l.opt.Rollout, err)
	}
	c.at, c.revision, c.value = now, revision, value
	return value, nil
}

func (s Share) plus(n counts) Share {
	return Share{s.Predicted + n.predicted, s.Labelled + n.labelled, s.Wrong + n.wrong}
}
