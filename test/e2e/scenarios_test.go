package e2e

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// scenario is a story that holds for every router. One that would say the same
// of each, because the router is not asked, is told of one.
type scenario struct {
	name   string
	only   string // the router that it is told of; all if empty
	steps  string // of the strategy; the driver's ladder if empty
	slow   bool   // blocks are long, so that there is time to count at each step
	told   bool   // customers say what they did: labels follow the predictions
	buys   bool   // customers whom the answer was right for come back: events follow the predictions
	asks   bool   // Haldane sends requests of its own
	more   string // of the analysis, as it stands in the file
	by     string // another strategy than a canary
	source string // another Prometheus than the driver's
	goal   bool   // arms are compared by a goal, and otherwise by errors alone
	arms   string // what is compared beside stable and the candidate
	pairs  string // a metric of mirrored requests
	alone  bool   // and no other
	run    func(*stage)
}

var scenarios = []scenario{
	{name: "promotion", run: testPromotion, slow: true},
	{name: "errors", run: testErrors},
	{name: "slow", run: testSlow, only: "replicas"},
	{name: "drift", run: testDrift, only: "replicas"},
	{name: "wrong", run: testWrong, only: "gateway", told: true},
	{name: "checks", run: testChecks, only: "gateway", asks: true},
	{name: "labelled", run: testLabelled, only: "gateway", told: true},
	{name: "events", run: testEvents, only: "gateway", buys: true, more: ofEvents},
	{name: "guardrail", run: testGuardrail, only: "gateway", more: ofGuardrail},
	{name: "blue-green", run: testBlueGreen, only: "gateway", pairs: "{of: class, maxDisagreement: 25%}",
		by: "{blueGreen: {preview: {mirror: 100, for: 8s}, bake: {for: 8s, holdback: 20}, scaleDownDelay: 2s, readyWithin: 2m}}"},
	{name: "shadow", run: testShadow, only: "gateway", pairs: "{maxDisagreement: 25%}", alone: true,
		by: "{shadow: {percent: 50, for: 8s, scaleDownDelay: 2s, readyWithin: 2m}}"},
	{name: "times", run: testTimes, only: "gateway", pairs: "{of: latency, maxSlower: 20ms, maxDisagreement: 25%}", alone: true,
		by: "{shadow: {percent: 50, for: 8s, scaleDownDelay: 2s, readyWithin: 2m}}"},
	{name: "experiment", run: testExperiment, only: "gateway", told: true, goal: true,
		by: "{experiment: {goal: {outcome: {maturity: 5s}, minEffect: 0.00001}, then: Promote, maxDuration: 10m, scaleDownDelay: 2s, readyWithin: 2m}}"},
	{name: "allocated", run: testAllocated, only: "gateway", goal: true,
		by: "{experiment: {goal: {mean: {of: confidence}, minEffect: 0.01}, allocation: Thompson, allocateEvery: 5s, then: Promote, maxDuration: 10m, scaleDownDelay: 2s, readyWithin: 2m}}"},
	{name: "arms", run: testArms, only: "gateway", told: true, goal: true, arms: "{drift: {name: churn-drift}}",
		by: "{experiment: {goal: {outcome: {maturity: 5s}, minEffect: 0.00001}, maxDuration: 10m, scaleDownDelay: 2s, readyWithin: 2m}}"},
	{name: "futile", run: testFutile, only: "gatewayapi", goal: true,
		source: `preset: traefik, series: {goal: {total: traefik_service_requests_total, bad: "traefik_service_requests_total{code=~\"5..\"}"}}`,
		by:     "{experiment: {goal: {outcome: {maturity: 1s}, minEffect: 0.05}, maxDuration: 10m, scaleDownDelay: 2s, readyWithin: 2m}}"},
	{name: "crash", run: testCrash, only: "gatewayapi"},
	{name: "commands", run: testCommands, only: "gatewayapi", steps: `[{weight: 50}, {pause: {}}, {weight: 100}]`},
	{name: "edit", run: testEdit, only: "gatewayapi", steps: `[{weight: 50}, {pause: {}}, {weight: 100}]`},
	{name: "by-hand", run: testByHand, steps: `[{weight: 50}, {pause: {}}, {weight: 100}]`},
	{name: "deletion", run: testDeletion, steps: `[{weight: 50}, {pause: {}}, {weight: 100}]`},
}

// stage is a namespace in which v1 serves behind a router that Haldane has
// taken over, and requests flow.
type stage struct {
	*space
	driver driver
	load   *load
	labels *labels // nil unless the scenario is of them
	watch  *watched
	begun  time.Time
}

// rate is how many requests a second each scenario sends.
const rate = 80

// analysisOf is the analysis of the rollouts here. Margins are wide: the
// statistics are tested elsewhere, and evidence must come in seconds.
const analysisOf = `    source: {prometheus: {address: "http://10.77.0.20:9090", SOURCE, scrapeInterval: 1s}}
    interval: INTERVAL
    warmup: 1s
    maxDuration: 10m
    controls: {srm: 0.01%, dispersion: "off"}
    metrics:
` + onErrors + `MORE`

const onErrors = "    - {name: errors, errorRate: {maxIncrease: 4pp}, tolerate: 25%}\n"

// ofModels are the metrics that the models count themselves.
const ofModels = `    - {name: latency, latency: {maxOver: {25ms: 40pp}}}
    - {name: predictions, drift: {of: class, max: 30%}}
`

// begun brings a namespace to where a user is who has installed Haldane and
// written a rollout: v1 serves as stable, and nothing is on its way.
func begun(t *testing.T, w *world, d driver, x scenario) *stage {
	t.Helper()
	s := &stage{space: w.space(t, d.name+"-"+path.Base(t.Name())), driver: d}
	s.apply(model, "REPLICAS", fmt.Sprint(d.replicas))
	s.apply(d.before, "SETTINGS", clustertest.XDSBootstrap("caller", s.name, "$(POD_IP)"))
	if x.arms != "" {
		s.apply(strings.NewReplacer("churn:v1", "churn:drift", "name: churn,", "name: churn-drift,", "app: churn", "app: churn-drift").Replace(model), "REPLICAS", "1")
	}
	s.kubectl("rollout", "status", "deployment/churn", "--timeout="+patience.String())
	send := d.send(s.space)
	if x.told || x.buys {
		s.labels, send = s.label(send, x.buys)
	}
	s.load = begin(t, rate, send)
	s.load.answered("v1")
	s.begun = time.Now()
	steps, interval, delay, source, more := cmp.Or(x.steps, d.ladder), "2s", "2s", "preset: "+d.preset, x.more
	if x.slow {
		interval, delay = "6s", "8s" // the delay is how long 100% lasts
	}
	if d.preset == "model" {
		source, more = "preset: model, series: {predictions: {classes: model_predicted_classes_total}}", ofModels
	}
	if x.told {
		more = ofLabels
	}
	if x.goal {
		more = ""
	}
	if x.asks {
		more = ofChecks(t)
	}
	if x.pairs != "" {
		more = "    - {name: agreement, pairs: " + x.pairs + "}\n"
	}
	source = cmp.Or(x.source, source)
	strategy := cmp.Or(x.by, fmt.Sprintf("{canary: {steps: %s, scaleDownDelay: %s, readyWithin: 2m}}", steps, delay))
	analysis := strings.NewReplacer("SOURCE", source, "INTERVAL", interval, "MORE", more).Replace(analysisOf)
	if x.alone {
		analysis = strings.Replace(analysis, onErrors, "", 1)
	}
	s.watch = s.space.watch()
	s.apply(rolloutFile, "WORKLOAD", fmt.Sprintf("{name: churn, variants: %s}", cmp.Or(x.arms, "{}")), "ROUTING", d.routing, "STRATEGY", strategy, "ANALYSIS", analysis)
	s.watch.await(s.begun, "the rollout has begun", func(x v1alpha1.ModelRolloutStatus) bool {
		return x.Phase == "Idle" && x.Stable.Version == "v1" && x.Weight.Observed == "0%" && x.Weight.Level == "Accepted"
	})
	eventually(t, "the user's own Deployment has no pods", func() error { return s.replicas("churn", 0) })
	if d.after != nil {
		d.after(s.space)
	}
	return s
}

// promoted waits until a version has taken stable's place, and its own
// Deployment is at rest again.
func (s *stage) promoted(since time.Time, version string) {
	s.t.Helper()
	s.watch.phase(since, version, "Promoted")
	eventually(s.t, "stable runs "+version+" and the candidate has ended", func() error {
		if err := s.image("churn-stable", "churn:"+version); err != nil {
			return err
		}
		return s.replicas("churn", 0)
	})
	s.only(version)
}

// takenBack waits until a version was taken back and v1 serves alone.
func (s *stage) takenBack(since time.Time, version string) {
	s.t.Helper()
	s.watch.phase(since, version, "RolledBack")
	eventually(s.t, "the candidate has ended", func() error { return s.replicas("churn", 0) })
	if err := s.image("churn-stable", "churn:v1"); err != nil {
		s.t.Error(err)
	}
	s.only("v1")
}

// only waits until a version alone answers: data planes take a change in a
// little after they have accepted it.
func (s *stage) only(version string) {
	s.t.Helper()
	from := time.Now()
	eventually(s.t, version+" alone answers", func() error {
		if err := s.sent(from, rate); err != nil {
			return err
		}
		got := count(s.load.between(from, time.Now()))
		if len(got) > 1 || got[version] == 0 {
			from = time.Now()
			return fmt.Errorf("the last answers: %v", got)
		}
		return nil
	})
}

// sent says how many requests are missing to n since from.
func (s *stage) sent(from time.Time, n int) error {
	if got := len(s.load.between(from, time.Now())); got < n {
		return fmt.Errorf("%d of %d requests so far", got, n)
	}
	return nil
}

// settledFor fails the test if a status of the next span is not as wanted.
func (s *stage) settledFor(span time.Duration, ok func(v1alpha1.ModelRolloutStatus) bool) {
	s.t.Helper()
	from := time.Now()
	s.watch.await(from.Add(span), "the status is read", func(v1alpha1.ModelRolloutStatus) bool { return true })
	for _, x := range s.watch.all() {
		if x.at.After(from) && !ok(x.status) {
			s.t.Fatalf("it did not stay as it was: %s", x)
		}
	}
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
	s.kubectl("delete", "modelrollout", "churn", "--wait=false")
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
