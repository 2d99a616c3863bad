package rollout

import (
	"strings"

	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	stable = traffic.Stable
	canary = traffic.Canary
)

// revision returns what role r should run.
func (p Plan) revision(r Role) Revision {
	if r == canary {
		return p.Canary
	}
	return p.Stable
}

// ready reports whether role r runs the plan's revision and serves.
func (t *turn) ready(r Role) bool {
	h := t.o.Workloads[r]
	return h.Ready && h.Revision == t.s.Plan.revision(r).Hash
}

// reachable reports whether whoever sends traffic can be expected to know where role
// r is. It matters where r has had no traffic: proxies hear of pods and of weights
// by ways of their own, and what they send to where nothing is yet, or nothing is
// any more, fails.
func (t *turn) reachable(r Role) bool { return !t.o.Workloads[r].Reachable.After(t.now) }

// failed reports whether the candidate has failed for good in this attempt.
// What was observed before its workload could know of the attempt says
// nothing: a retry would otherwise end by the failure it is to overcome.
func (t *turn) failed() bool {
	h := t.o.Workloads[canary]
	return h.Failed && (h.Revision == "" || h.Revision == t.s.Plan.Canary.Hash) &&
		t.now.After(t.s.PhaseBegan) && (h.Since.IsZero() || !h.Since.Before(t.s.Began))
}

// unknown reports whether the workload could not be asked of role r.
func (t *turn) unknown(r Role) bool {
	_, known := t.o.Workloads[r]
	return !known
}

// unready says why role r is not ready, to follow its name in a sentence.
func (t *turn) unready(r Role) string {
	if t.unknown(r) {
		return "cannot be observed"
	}
	return "is not ready" + t.message(r)
}

// message returns what the workload says of role r, to be appended to a sentence
// that says that it is not ready: that need not be said twice.
func (t *turn) message(r Role) string {
	if m := strings.TrimPrefix(t.o.Workloads[r].Message, "not ready: "); m != "" {
		return ": " + m
	}
	return ""
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
