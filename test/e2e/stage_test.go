package e2e

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// stage is a namespace in which v1 serves behind a router that Haldane has
// taken over, and requests flow.
type stage struct {
	*space
	driver driver
	load   *load
	labels *labels // nil unless the scenario is of them
	watch  *watched
	begun  time.Time
	rate   int // of requests, a second
}

// rate is how many requests a second a scenario sends.
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

// begun brings a namespace to where a user is who has installed Haldane and
// written a rollout: v1 serves as stable, and nothing is on its way.
func begun(t *testing.T, w *world, d driver, x scenario) *stage {
	t.Helper()
	s := &stage{space: w.space(t, d.name+"-"+path.Base(t.Name())), driver: d, rate: cmp.Or(x.rate, rate)}
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
	ask := inference
	if x.chats {
		ask = chat
	}
	s.load = begin(t, s.rate, send, ask)
	s.load.answered("v1")
	s.begun = time.Now()
	s.watch = s.space.watch()
	s.apply(x.file(t, d))
	s.watch.await(s.begun, "the rollout has begun", func(x v1alpha1.ModelRolloutStatus) bool {
		return x.Phase == "Idle" && x.Stable.Version == "v1" && x.Weight.Observed == "0%" && x.Weight.Level == "Accepted"
	})
	eventually(t, "the user's own Deployment has no pods", func() error { return s.replicas("churn", 0) })
	if d.after != nil {
		d.after(s.space)
	}
	return s
}

// file is the scenario's rollout with a router.
func (x scenario) file(t *testing.T, d driver) string {
	t.Helper()
	from, ok := d.counting(x.needs)
	if !ok {
		t.Fatalf("nothing counts %s for %s", x.needs, d.name)
	}
	interval, delay, judged, more := "2s", "2s", []string(nil), x.more
	if x.slow {
		interval, delay = "6s", "8s" // the delay is how long 100% lasts
	}
	switch {
	case x.goal:
		judged = []string{"goal"}
	case x.told:
		more = ofLabels
	case x.asks:
		more = ofChecks(t)
	case x.pairs != "":
		more = "    - {name: agreement, pairs: " + x.pairs + "}\n"
	case more == "":
		judged, more = from.judged()
	}
	strategy := cmp.Or(x.by, fmt.Sprintf("{canary: {steps: %s, scaleDownDelay: %s, readyWithin: 2m}}", cmp.Or(x.steps, d.ladder), delay))
	routing := d.routing
	if x.stays {
		routing = strings.Replace(routing, "{", "{stickyBy: {header: X-User-ID}, ", 1)
	}
	analysis := strings.NewReplacer("SOURCE", from.of(judged), "INTERVAL", interval, "MORE", more).Replace(analysisOf)
	if x.alone {
		analysis = strings.Replace(analysis, onErrors, "", 1)
	}
	return strings.NewReplacer("WORKLOAD", fmt.Sprintf("{name: churn, variants: %s}", cmp.Or(x.arms, "{}")),
		"ROUTING", routing, "STRATEGY", strategy, "ANALYSIS", analysis).Replace(rolloutFile)
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
		if err := s.sent(from, s.rate); err != nil {
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
