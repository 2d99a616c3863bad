package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// scenario is a story that holds for every router whose sources count what it
// needs. One that would say the same of each, because the router is not asked, is
// told of one.
type scenario struct {
	name  string
	needs string // what its source must count; any source will do if empty
	only  string // the router that it is told of; all if empty
	rate  int    // of requests, another than most
	steps string // of the strategy; the driver's ladder if empty
	slow  bool   // blocks are long, so that there is time to count at each step
	told  bool   // customers say what they did: labels follow the predictions
	buys  bool   // customers whom the answer was right for come back: events follow the predictions
	asks  bool   // Haldane sends requests of its own
	chats bool   // the model is asked for a text
	stays bool   // users stay on their arm
	more  string // of the analysis, as it stands in the file; what the source counts if empty
	by    string // another strategy than a canary
	goal  bool   // arms are compared by a goal, and otherwise by errors alone
	arms  string // what is compared beside stable and the candidate
	pairs string // a metric of mirrored requests
	alone bool   // and no other
	run   func(*stage)
}

const (
	toPause = `[{weight: 50}, {pause: {}}, {weight: 100}]`
	shadow  = "{shadow: {percent: 50, for: 8s, scaleDownDelay: 2s, readyWithin: 2m}}"
)

var scenarios = []scenario{
	{name: "promotion", run: testPromotion, slow: true},
	{name: "errors", run: testErrors},
	{name: "slow", run: testSlow, needs: "latency"},
	{name: "drift", run: testDrift, needs: "predictions"},
	{name: "crash", run: testCrash},
	{name: "commands", run: testCommands, steps: toPause},
	{name: "edit", run: testEdit, steps: toPause},
	{name: "by-hand", run: testByHand, steps: toPause},
	{name: "deletion", run: testDeletion, steps: toPause},
	{name: "futile", run: testFutile, needs: "goal", goal: true, by: experiment(`outcome: {maturity: 1s}, minEffect: 0.05`, "")},
	{name: "wrong", run: testWrong, needs: "labels", told: true},
	{name: "labelled", run: testLabelled, needs: "labels", told: true},
	{name: "events", run: testEvents, needs: "events", buys: true, more: ofEvents},
	{name: "blue-green", run: testBlueGreen, needs: "pairs", pairs: "{of: class, maxDisagreement: 25%}",
		by: "{blueGreen: {preview: {mirror: 100, for: 8s}, bake: {for: 8s, holdback: 20}, scaleDownDelay: 2s, readyWithin: 2m}}"},
	{name: "shadow", run: testShadow, needs: "pairs", pairs: "{maxDisagreement: 25%}", alone: true, by: shadow},
	{name: "texts", run: testTexts, needs: "pairs", pairs: "{of: text, maxDisagreement: 25%}", alone: true, chats: true, by: shadow},
	{name: "times", run: testTimes, needs: "pairs", pairs: "{of: latency, maxSlower: 20ms, maxDisagreement: 25%}", alone: true, by: shadow},
	{name: "experiment", run: testExperiment, needs: "labels", told: true, goal: true,
		by: experiment(`outcome: {maturity: 5s}, minEffect: 0.00001`, "then: Promote")},
	{name: "users", run: testUsers, needs: "labels", told: true, goal: true, stays: true,
		by: experiment(`outcome: {maturity: 5s}, minEffect: 0.00001`, "minDuration: 20s, then: Promote")}, // time to come again
	{name: "allocated", run: testAllocated, needs: "confidence", goal: true,
		by: experiment(`mean: {of: confidence}, minEffect: 0.01`, "allocation: Thompson, allocateEvery: 5s, then: Promote")},
	{name: "arms", run: testArms, needs: "labels", told: true, goal: true, arms: "{drift: {name: churn-drift}}",
		by: experiment(`outcome: {maturity: 5s}, minEffect: 0.00001`, "")},
	{name: "checks", run: testChecks, only: "gateway", asks: true},
	{name: "guardrail", run: testGuardrail, only: "gateway", more: ofGuardrail},
}

// experiment is the strategy with a goal, and what else there is to say.
func experiment(goal, more string) string {
	if more != "" {
		more = ", " + more
	}
	return fmt.Sprintf("{experiment: {goal: {%s}%s, maxDuration: 10m, scaleDownDelay: 2s, readyWithin: 2m}}", goal, more)
}

// testPromotion: a good model climbs, the sender sees each share, no request
// fails, and stable runs it in the end.
func testPromotion(s *stage) {
	at := s.release("good")
	s.promoted(at, "good")
	s.watch.split(s.load, "good", s.driver.shares...)
	s.load.unharmed(s.begun)
}

// testErrors: a model that fails on some customers.
func testErrors(s *stage) { s.bad("errors", "errors") }

// testSlow: a model that waits before it answers.
func testSlow(s *stage) { s.bad("slow", "latency") }

// testDrift: a model that says yes far too often.
func testDrift(s *stage) { s.bad("drift", "predictions") }

// bad expects a version to be taken back because of a metric, and no request to
// fail but those that the model itself fails on.
func (s *stage) bad(version, metric string) {
	s.t.Helper()
	at := s.release(version)
	s.takenBack(at, version)
	failed := false
	for _, x := range s.watch.all() {
		for _, e := range x.status.Evidence {
			failed = failed || x.status.Canary.Version == version && e.Name == metric && e.Decision == "Fail"
		}
	}
	if !failed {
		s.t.Errorf("%s was taken back, and %s never failed", version, metric)
	}
	s.load.unharmed(s.begun)
}

// testCrash: a model that does not start never gets traffic, and the reason is
// the pod's.
func testCrash(s *stage) {
	at := s.release("broken")
	end := s.watch.phase(at, "broken", "RolledBack")
	if end.status.Reason == "" {
		s.t.Error("the status gives no reason")
	}
	s.t.Logf("reason: %s", end.status.Reason)
	s.takenBack(at, "broken")
	for _, x := range s.watch.all() {
		if x.status.Weight.Wanted != "0%" && x.status.Weight.Wanted != "" {
			s.t.Errorf("it was to get %s", x.status.Weight.Wanted)
			break
		}
	}
	s.load.unharmed(s.begun)
}

// testCommands: a person pauses, goes on, aborts, tries again and approves.
func testCommands(s *stage) {
	at := s.release("good")
	s.watch.carried(at, "good", "50%")
	s.obeyed("pause")
	s.watch.phase(at, "good", "Paused")
	s.obeyed("resume")
	waiting := func(x v1alpha1.ModelRolloutStatus) bool { return x.Phase == "Paused" && x.StepIndex == 1 }
	s.watch.await(at, "it waits at the pause", waiting)
	if got := s.command(s.t, "promote", "step: 0"); got.Outcome != v1alpha1.CommandRejected {
		s.t.Errorf("promote from a step that is over: %s: %s", got.Outcome, got.Message)
	}
	at = time.Now()
	s.obeyed("abort", "reason: second thoughts")
	s.takenBack(at, "good")
	at = time.Now()
	s.obeyed("retry")
	s.watch.await(at, "the second attempt waits at the pause", func(x v1alpha1.ModelRolloutStatus) bool {
		return waiting(x) && x.Attempt == 2
	})
	s.obeyed("promote", "step: 1")
	s.promoted(at, "good")
	s.load.unharmed(s.begun)
}

// testEdit: a new image in mid-rollout gets no traffic before the one that is
// on its way has lost all of its own.
func testEdit(s *stage) {
	at := s.release("good")
	s.watch.carried(at, "good", "50%")
	edited := s.release("errors")
	s.watch.carried(edited, "errors", "50%")
	begun := s.watch.await(edited, "errors begins", func(x v1alpha1.ModelRolloutStatus) bool {
		return x.Canary.Version == "errors" && x.Weight.Wanted == "50%"
	})
	if n := count(s.load.between(edited, begun.at.Add(-time.Second)))["errors"]; n > 0 {
		s.t.Errorf("%d requests were answered by errors before it had its turn", n)
	}
	s.takenBack(edited, "errors")
	s.load.unharmed(s.begun)
}

// testByHand: somebody writes a weight of their own; it is put right, and
// nobody is lost.
func testByHand(s *stage) {
	at := s.release("good")
	s.watch.await(at, "it waits at the pause", func(x v1alpha1.ModelRolloutStatus) bool {
		return x.Phase == "Paused" && x.StepIndex == 1 && x.Weight.Observed == "50%"
	})
	s.driver.tamper(s.space)
	eventually(s.t, "the weight is put right", func() error { return s.driver.tampered(s.space) })
	at = time.Now()
	s.obeyed("promote")
	s.promoted(at, "good")
	s.load.unharmed(s.begun)
}

// testDeletion: the rollout is deleted in mid-rollout; it waits for the user to
// say what is to serve, and then everything is as it was.
func testDeletion(s *stage) {
	at := s.release("good")
	s.watch.carried(at, "good", "50%")
	// As Argo CD deletes: what a rollout owns ends before it.
	s.kubectl("delete", "modelrollout", "churn", "--wait=false", "--cascade=foreground")
	eventually(s.t, "the deletion says what it waits for", func() error {
		var m v1alpha1.ModelRollout
		if err := s.api.Get(context.Background(), client.ObjectKey{Namespace: s.name, Name: "churn"}, &m); err != nil {
			return err
		}
		if !strings.Contains(m.Status.Waiting, "undo the edit") {
			return fmt.Errorf("waiting %q", m.Status.Waiting)
		}
		return nil
	})
	s.only("v1")
	s.release("v1") // the edit is undone
	if s.driver.pinned {
		eventually(s.t, "the deletion waits for what leads to stable alone", func() error {
			var m v1alpha1.ModelRollout
			if err := s.api.Get(context.Background(), client.ObjectKey{Namespace: s.name, Name: "churn"}, &m); err != nil {
				return err
			}
			if !strings.Contains(m.Status.Waiting, "which end with the rollout") {
				return fmt.Errorf("waiting %q", m.Status.Waiting)
			}
			return nil
		})
	}
	if s.driver.leaving != nil {
		s.driver.leaving(s.space)
	}
	eventually(s.t, "the rollout is gone", func() error {
		var m v1alpha1.ModelRollout
		err := s.api.Get(context.Background(), client.ObjectKey{Namespace: s.name, Name: "churn"}, &m)
		if err == nil {
			return fmt.Errorf("it waits: %s", m.Status.Waiting)
		}
		return client.IgnoreNotFound(err)
	})
	if err := s.driver.restored(s.space); err != nil {
		s.t.Errorf("the route is not as it was: %v", err)
	}
	if err := s.replicas("churn", s.driver.replicas); err != nil {
		s.t.Error(err)
	}
	if _, err := s.deployment("churn-stable"); client.IgnoreNotFound(err) != nil || err == nil {
		s.t.Errorf("churn-stable is still there (%v)", err)
	}
	eventually(s.t, "stable's pods have ended", func() error {
		if out := s.kubectl("get", "pods", "-l", "haldane.dev/role=stable", "-o", "name"); out != "" {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	s.only("v1")
	s.load.unharmed(s.begun)
}
