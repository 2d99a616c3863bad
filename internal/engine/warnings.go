package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// standing returns what a person should know of a rollout that runs, or ran, by
// s while the file says spec: what is not claimed, what holds it for good, what
// has no effect yet. All of it stands for as long as its cause does.
func standing(s rollout.State, spec Spec) []string {
	if s.Phase == "" || s.Phase == rollout.Idle {
		return nil
	}
	var out []string
	if names := uncorrected(s); len(names) > 0 {
		out = append(out, fmt.Sprintf("stickyBy keeps users on their arm, and users differ from each other: %s judged as if they did not, "+
			"so that the stated rates (%s false rollbacks, %s false promotions) are not claimed for %s",
			listed(names, "is", "are"), percent(s.Plan.Analysis.FalseRollback), percent(s.Plan.Analysis.FalsePromotion), it(names)))
	}
	if s.Phase.Terminal() {
		return out
	}
	for _, name := range unmeasured(s.Plan, spec) {
		out = append(out, fmt.Sprintf("Metric %s has left the file, or became another kind there: it is measured no more and holds this rollout. "+
			"Put it back, or abort", name))
	}
	if edited(s.Plan, spec.Plan) {
		out = append(out, "The file has changed since this attempt began, which goes on by what it said then: "+
			"the change counts from the next revision or retry on")
	}
	return out
}

// uncorrected names the metrics that are judged request by request although users
// stay on their arm: those of kinds that nobody counts by group of users, and those
// whose counts came without groups.
func uncorrected(s rollout.State) []string {
	if s.Plan.Split.Sticky == (traffic.Sticky{}) {
		return nil
	}
	var out []string
	for _, m := range s.Plan.Analysis.Metrics {
		counted := slices.ContainsFunc(s.Verdict.Metrics, func(v analysis.MetricVerdict) bool {
			return v.Name == m.Name && v.Uncorrected && v.CanaryN > 0
		})
		if counted || m.Kind == analysis.Latency || m.Kind == analysis.Drift {
			out = append(out, m.Name)
		}
	}
	return out
}

// listed joins names, and says the verb that goes with so many.
func listed(names []string, one, many string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0] + " " + one
	}
	return strings.Join(names[:last], ", ") + " and " + names[last] + " " + many
}

// it stands for names.
func it(names []string) string {
	if len(names) == 1 {
		return "it"
	}
	return "them"
}

// unmeasured names the metrics of the running plan that the file no longer says
// how to measure.
func unmeasured(p rollout.Plan, spec Spec) []string {
	var out []string
	for _, judged := range p.Analysis.Metrics {
		known := slices.ContainsFunc(spec.Metrics, func(m metric.Metric) bool {
			return m.Name == judged.Name && m.Kind == judged.Kind
		})
		if !known {
			out = append(out, judged.Name)
		}
	}
	return out
}

// edited reports whether the file says something else of the same candidate
// than the snapshot. Another candidate, or another baseline, is no edit but the
// next revision.
func edited(snapshot, file rollout.Plan) bool {
	if snapshot.Canary.Hash != file.Canary.Hash || snapshot.Stable.Hash != file.Stable.Hash {
		return false
	}
	// The attempt's number is the core's, not the file's.
	snapshot.Analysis.Attempt, file.Analysis.Attempt = 0, 0
	// As JSON, because a snapshot that was saved and read again has nil where
	// the file has an empty list.
	return !bytes.Equal(asJSON(snapshot), asJSON(file))
}

func asJSON(p rollout.Plan) []byte {
	b, err := json.Marshal(p)
	if err != nil {
		return nil // a plan that cannot be written could not have been saved either
	}
	return b
}

func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e6)/1e4, 'f', -1, 64) + "%"
}
