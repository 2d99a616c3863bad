package prometheus

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// Arms tells which series are of which arm.
type Arms interface {
	// Series returns how the series of both arms of a revision are told now. It
	// may ask somebody else.
	Series(ctx context.Context, revision string) (Attribution, error)
}

// Attribution is how series are told apart.
type Attribution struct {
	// Match holds the label matchers that find the series of both arms, and
	// perhaps others; "" for all. None says that there is no series to be found.
	Match string
	None  bool
	// Arm returns which arm a series is of, by its labels; false for none.
	Arm func(labels map[string]string) (traffic.Arm, bool)
}

// byLabel tells arms by the value of one label.
type byLabel struct {
	label string
	arms  [traffic.NumArms]*regexp.Regexp
	match string
}

// ByLabel tells arms by a label that has one value on stable and another on the
// canary.
func ByLabel(label, stable, canary string) (Arms, error) {
	return ByPattern(label, regexp.QuoteMeta(stable), regexp.QuoteMeta(canary))
}

// ByPattern tells arms by a label whose value matches one of two regular
// expressions as a whole; stable has what matches both. A series without the label
// has the empty value.
func ByPattern(label, stable, canary string) (Arms, error) {
	if stable == canary {
		return nil, fmt.Errorf("the series of both arms have the same value of the label %s: say what tells them apart", label)
	}
	a := &byLabel{label: label, match: fmt.Sprintf("%s=~%q", label, "(?:"+stable+")|(?:"+canary+")")}
	for arm, text := range []string{traffic.Stable: stable, traffic.Canary: canary} {
		var err error
		if a.arms[arm], err = regexp.Compile("^(?:" + text + ")$"); err != nil {
			return nil, fmt.Errorf("the label %s of %s: %w", label, traffic.Arm(arm), err)
		}
	}
	return a, nil
}

// Series implements Arms.
func (a *byLabel) Series(context.Context, string) (Attribution, error) {
	return Attribution{Match: a.match, Arm: func(labels map[string]string) (traffic.Arm, bool) {
		for arm, is := range a.arms {
			if is.MatchString(labels[a.label]) {
				return traffic.Arm(arm), true
			}
		}
		return 0, false
	}}, nil
}

// byPod tells arms by the pod that a series comes from.
type byPod struct {
	label string
	pods  func(ctx context.Context, revision string) (map[string]traffic.Arm, error)
}

// ByPod tells arms by a label with the pod's name. pods returns the arm of every
// pod there is, or was not long ago.
func ByPod(label string, pods func(ctx context.Context, revision string) (map[string]traffic.Arm, error)) Arms {
	return &byPod{label, pods}
}

// Series implements Arms.
func (a *byPod) Series(ctx context.Context, revision string) (Attribution, error) {
	arms, err := a.pods(ctx, revision)
	if err != nil {
		return Attribution{}, err
	}
	names := slices.Sorted(maps.Keys(arms))
	for i, name := range names {
		names[i] = regexp.QuoteMeta(name)
	}
	return Attribution{
		None:  len(names) == 0,
		Match: fmt.Sprintf("%s=~%q", a.label, strings.Join(names, "|")),
		Arm: func(labels map[string]string) (traffic.Arm, bool) {
			arm, ok := arms[labels[a.label]]
			return arm, ok
		},
	}, nil
}

// split gives each arm its gains.
func (a Attribution) split(gains []gain) sides {
	var out sides
	for _, g := range gains {
		if arm, ok := a.Arm(text(g.labels)); ok {
			out[arm] = append(out[arm], g)
		}
	}
	return out
}

func text(labels model.Metric) map[string]string {
	out := make(map[string]string, len(labels))
	for k, v := range labels {
		out[string(k)] = string(v)
	}
	return out
}
