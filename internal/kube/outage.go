package kube

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// byOutage is who takes a rollout back whose metrics stay away.
const byOutage = "analysis.source.prometheus.outage"

// blind returns for how long the source has given nothing, 0 if it answers. What
// a controller before this one has seen is in the status: an outage is as long as
// it is, whoever watches it.
func (d *driver) blind(m *v1alpha1.ModelRollout) time.Duration {
	blind := d.engine.Blind()
	if blind == 0 || d.answered {
		return blind
	}
	x := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionSourceAvailable)
	if x == nil || x.Status != metav1.ConditionFalse {
		return blind
	}
	since := x.LastTransitionTime.Time
	if began := d.engine.State().Began; began.After(since) {
		since = began // an outage of an earlier attempt is none of this one's
	}
	return max(blind, d.c.cfg.Wall().Sub(since))
}

// overdue says why the metrics have been away for longer than the spec bears that
// the rollout began with, "" if they have not, or if it holds for as long as it
// takes.
func (d *driver) overdue(m *v1alpha1.ModelRollout) string {
	p := d.active.Analysis.Source.Prometheus
	blind := d.blind(m)
	if p == nil || p.Outage == nil || p.Outage.Then != "Rollback" || p.Outage.After == nil || blind <= p.Outage.After.Duration {
		return ""
	}
	return fmt.Sprintf("there have been no counts from %s for %s", p.Address, blind.Round(time.Second))
}

// availability is the condition of the source. It is not known, and stays as it
// was, before the first answer and while nothing is asked.
func (d *driver) availability() (cluster.Condition, bool) {
	p := d.active.Analysis.Source.Prometheus
	if p == nil {
		return cluster.Condition{}, false
	}
	out := cluster.Condition{Type: v1alpha1.ConditionSourceAvailable, True: true, Reason: "Answers"}
	if d.engine.Blind() == 0 {
		return out, d.answered
	}
	then := "goes on holding for as long as that takes"
	if p.Outage != nil && p.Outage.Then == "Rollback" && p.Outage.After != nil {
		then = fmt.Sprintf("is taken back if that takes longer than %s", p.Outage.After.Duration)
	}
	out.True, out.Reason = false, "NoCounts"
	out.Message = fmt.Sprintf("There are no counts from %s: the rollout holds until there are, and %s", p.Address, then)
	return out, true
}

// noteAnswers takes note of whether the source has answered this controller: the
// cursor moves only then.
func (d *driver) noteAnswers(before rollout.State) {
	d.answered = d.answered || d.engine.Blind() == 0 && d.engine.State().Cursor != before.Cursor
}
