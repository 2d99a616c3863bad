package rollout

import (
	"fmt"
	"slices"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// initialize waits until both arms are ready and the router is known to keep
// all traffic on stable.
func (t *turn) initialize() bool {
	if moved, busy := t.handOver(); busy {
		return moved
	}
	p := t.s.Plan
	switch {
	case t.replaced():
		t.supersede()
		return true
	case t.failed():
		t.takeBack(fmt.Sprintf("%s did not become ready%s", p.Canary, t.message(canary)))
		return true
	case !t.now.After(t.s.PhaseBegan):
		// What was observed before the workload could know of this attempt may
		// be of an arm that is about to end.
		t.waiting = fmt.Sprintf("Waiting for %s to start", p.Canary)
	case t.unknown(canary):
		// What is not known does not count as not ready.
		t.waiting = fmt.Sprintf("Waiting to hear of %s: its workload cannot be observed", p.Canary)
	case !t.ready(canary):
		if !t.o.Workloads[canary].Ours && !t.now.Before(t.s.PhaseBegan.Add(p.readyWithin())) {
			t.takeBack(fmt.Sprintf("%s was not ready within %s%s", p.Canary, p.readyWithin(), t.message(canary)))
			return true
		}
		t.waiting = fmt.Sprintf("Waiting for %s to become ready%s", p.Canary, t.message(canary))
	case t.variantLost():
		return true
	case !t.variantsReady():
	case !t.ready(stable):
		// Not the candidate's fault: it is not ended for that.
		t.waiting = fmt.Sprintf("Waiting for %s, the version in service, to become ready: it %s", p.Stable, t.unready(stable))
	case !t.allReachable():
	case p.lastGate() < 0 && !slices.ContainsFunc(p.Steps, Step.bakes):
		t.waiting = "The plan has no step below 100%, so nothing would ever be shown: add a weight or a shadow step"
	case !t.carried():
		t.waiting = fmt.Sprintf("Waiting for the router to confirm that all traffic goes to %s", p.Stable)
	case !t.roomFor(p.needs(0)):
	default:
		return t.start()
	}
	return false
}

// allReachable reports whether traffic may begin to go to every arm and, if not,
// says which of them it waits for.
func (t *turn) allReachable() bool {
	for r := range Role(traffic.MaxArms) {
		if !t.reachable(r) {
			t.waiting = fmt.Sprintf("Waiting until proxies know the pods of %s, which have just become ready", t.s.Plan.ArmName(r))
			return false
		}
	}
	return true
}

// start begins the climb unless somebody outside has something against it.
func (t *turn) start() bool {
	p := t.s.Plan
	no := t.outside()
	t.s.Asking = false
	if no.kind == noHold {
		no, _ = t.confirmed(ConfirmStart)
	} else {
		t.waiting = no.why
	}
	t.alert(no)
	if no.kind != noHold {
		return false
	}
	if p.Experiment != nil {
		t.emit(EventReady, "%s are ready", p.Experiment.Versions())
	} else {
		t.emit(EventReady, "%s and %s are ready", p.Stable, p.Canary)
	}
	t.enterStep(0)
	return true
}
