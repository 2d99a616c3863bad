package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// TestFailures takes parts of the cluster away while models are rolled out. It
// does so to one rollout after the other: what a failure does is to be told
// from its log.
func TestFailures(t *testing.T) {
	w := newWorld(t, clustertest.Options{Traefik: true, Prometheus: true})
	for _, x := range []scenario{
		{name: "controller", run: testControllerKilled},
		{name: "replicas", run: testTenControllers},
		{name: "prometheus", run: testPrometheusAway},
		{name: "api-server", run: testAPIServerAway},
	} {
		t.Run(x.name, func(t *testing.T) { x.run(begun(t, w, gatewayAPI, x)) })
	}
}

// kills is how often the controller is killed in one rollout.
const kills = 4

// testControllerKilled: the controller is killed at random points of two
// rollouts, a good one and a bad one, in two namespaces.
func testControllerKilled(s *stage) {
	other := begun(s.t, s.world, gatewayAPI.named("other"), scenario{})
	at := s.release("good")
	other.release("errors")
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	s.t.Logf("seed %d", seed)
	for range kills {
		// A random time, and then until there is something to kill again.
		time.Sleep(time.Duration(random.Int64N(int64(6 * time.Second))))
		eventually(s.t, "a controller is killed", func() error { return s.controller.kill(s.t, "") })
	}
	s.promoted(at, "good")
	other.takenBack(at, "errors")
	s.load.unharmed(s.begun)
	other.load.unharmed(other.begun)
}

// testTenControllers: ten controllers, of which the one that works is killed
// again and again in mid-rollout. Each of them could write; one at a time does,
// and what the one before has decided stands.
func testTenControllers(s *stage) {
	s.controller.scale(s.Cluster, 10)
	s.t.Cleanup(func() { s.controller.scale(s.Cluster, 2) })
	at := s.release("good")
	s.watch.carried(at, "good", "5%")
	led := map[string]bool{}
	for range kills - 1 {
		var leader string
		eventually(s.t, "another controller leads and is killed", func() error {
			if leader = s.controller.leader(s.Cluster); leader == "" || led[leader] {
				return fmt.Errorf("the lease is held by %q", leader)
			}
			return s.controller.kill(s.t, leader)
		})
		led[leader] = true
	}
	s.promoted(at, "good")
	step := int32(0)
	for _, x := range s.watch.all() {
		if x.status.Canary.Version != "good" || x.status.Phase == "Promoted" {
			continue
		}
		if x.status.StepIndex < step {
			s.t.Errorf("it went back from step %d: %s", step, x)
		}
		step = x.status.StepIndex
	}
	s.load.unharmed(s.begun)
}

// testPrometheusAway: without counts nothing goes on, neither up nor back, and
// the status says why; then the rollout goes on by itself.
func testPrometheusAway(s *stage) {
	at := s.release("good")
	s.watch.carried(at, "good", "5%")
	s.Kill(clustertest.Prometheus)
	away := time.Now()
	held := s.watch.await(away, "it is held", func(x v1alpha1.ModelRolloutStatus) bool {
		for _, c := range x.Conditions {
			if c.Type == v1alpha1.ConditionSourceAvailable && c.Status == "False" {
				return true
			}
		}
		return false
	})
	if held.status.Waiting == "" {
		s.t.Error("it does not say what it waits for")
	}
	s.t.Logf("held: %s", held.status.Waiting)
	weight := held.status.Weight.Wanted
	s.settledFor(5*time.Second, func(x v1alpha1.ModelRolloutStatus) bool { return x.Weight.Wanted == weight && x.Phase == "Progressing" })
	s.StartComponent(clustertest.Prometheus)
	s.promoted(at, "good")
	s.load.unharmed(s.begun)
}

// testAPIServerAway: nobody who sends requests notices, and the rollout goes on.
func testAPIServerAway(s *stage) {
	at := s.release("good")
	s.watch.carried(at, "good", "5%")
	from := time.Now()
	s.Kill(clustertest.APIServer)
	eventually(s.t, "requests are sent without an API server", func() error { return s.sent(from, 5*rate) })
	s.StartComponent(clustertest.APIServer)
	s.promoted(at, "good")
	s.load.unharmed(s.begun)
}
