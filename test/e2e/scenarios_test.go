package e2e

import (
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// scenario is a story that holds for every router.
type scenario struct {
	name  string
	steps string // of the strategy; ladder if empty
	run   func(*stage)
}

var scenarios = []scenario{
	{name: "promotion", run: testPromotion},
}

// stage is a namespace in which v1 serves behind a router that Haldane has
// taken over, and requests flow.
type stage struct {
	*space
	driver driver
	load   *load
	watch  *watched
	begun  time.Time
}

// rate is how many requests a second each scenario sends.
const rate = 100

// analysisOf is the analysis of most rollouts here. Margins are wide: the
// statistics are tested elsewhere, and evidence must come in seconds.
const analysisOf = `    source: {prometheus: {address: http://10.77.0.20:9090, preset: model, scrapeInterval: 1s}}
    warmup: 2s
    maxDuration: 10m
    controls: {srm: 0.01%}
    metrics:
    - {name: errors, errorRate: {maxIncrease: 3pp}}
`

// begun brings a namespace to where a user is who has installed Haldane and
// written a rollout: v1 serves as stable, and nothing is on its way.
func begun(t *testing.T, w *world, d driver, steps string) *stage {
	t.Helper()
	s := &stage{space: w.space(t, t.Name()), driver: d}
	s.apply(model, "REPLICAS", "2")
	s.apply(d.before)
	s.kubectl("rollout", "status", "deployment/churn", "--timeout="+patience.String())
	s.load = begin(t, rate, d.send(s.space))
	s.load.answered("v1")
	s.begun = time.Now()
	if steps == "" {
		steps = ladder
	}
	s.watch = s.space.watch()
	s.apply(rolloutFile, "ROUTING", d.routing, "STEPS", steps, "ANALYSIS", analysisOf)
	s.watch.await(s.begun, "the rollout has begun", func(x v1alpha1.ModelRolloutStatus) bool {
		return x.Phase == "Idle" && x.Stable.Version == "v1" && x.Weight.Observed == "0%" && x.Weight.Level == "Accepted"
	})
	eventually(t, "the user's own Deployment has no pods", func() error { return s.replicas("churn", 0) })
	return s
}

// testPromotion: a good model climbs, the sender sees each share, no request
// fails, and stable runs it in the end.
func testPromotion(s *stage) {
	at := s.release("good")
	s.watch.phase(at, "good", "Promoted")
	s.watch.split(s.load, "good", "5%", "25%", "50%", "100%")
	eventually(s.t, "stable runs it and the candidate has ended", func() error {
		if err := s.image("churn-stable", "churn:good"); err != nil {
			return err
		}
		return s.replicas("churn", 0)
	})
	from := time.Now()
	s.load.answered("good")
	s.load.unharmed(s.begun)
	if n := count(s.load.between(from, time.Now()))["v1"]; n > 0 {
		s.t.Errorf("%d requests were answered by v1 after its end", n)
	}
}
