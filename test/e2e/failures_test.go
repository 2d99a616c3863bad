package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// TestFailures takes parts of the cluster away while models are rolled out. It
// does so to one rollout after the other: what a failure does is to be told
// from its log.
func TestFailures(t *testing.T) {
	w := newWorld(t, clustertest.Options{Traefik: true, Istio: true, Prometheus: true})
	for _, x := range []scenario{
		{name: "controller", run: testControllerKilled},
		{name: "replicas", run: testTenControllers},
		{name: "prometheus", run: testPrometheusAway},
	} {
		t.Run(x.name, func(t *testing.T) { x.run(begun(t, w, gatewayAPI, x)) })
	}
	t.Run("routers", func(t *testing.T) { testEveryRouter(t, w) })
	t.Run("flag", func(t *testing.T) { testFlagKilled(t, w) })
}

// kills is how often the controller is killed in one rollout.
const kills = 4

// chance draws times, and tells its seed.
func chance(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// killAt kills the controllers after a random time, once there is one to kill again.
func (x *controller) killAt(t *testing.T, random *rand.Rand) {
	t.Helper()
	time.Sleep(time.Duration(random.Int64N(int64(6 * time.Second))))
	eventually(t, "a controller is killed", func() error { return x.kill(t, "") })
}

// testControllerKilled: the controller is killed at random points of two
// rollouts, a good one and a bad one, in two namespaces.
func testControllerKilled(s *stage) {
	other := begun(s.t, s.world, gatewayAPI.named("other"), scenario{})
	at := s.release("good")
	other.release("errors")
	random := chance(s.t)
	for range kills {
		s.controller.killAt(s.t, random)
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
			pod, _, _ := strings.Cut(leader, "_")
			return s.controller.kill(s.t, pod)
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

// testEveryRouter: a model climbs behind each router at once, while the controller
// is killed at random points. Then another one does, and the API server is gone
// for a while: nobody who sends requests notices, and the rollouts go on.
func testEveryRouter(t *testing.T, w *world) {
	var all []*stage
	for _, d := range slices.Concat(routers, []driver{gatewayFleet}) {
		all = append(all, begun(t, w, d, scenario{rate: 25, steps: `[{weight: 25}, {weight: 50}, {weight: 100}]`}))
	}
	release := func(version string) time.Time {
		at := time.Now()
		for _, s := range all {
			s.release(version)
		}
		return at
	}
	at, random := release("good"), chance(t)
	for range kills {
		w.controller.killAt(t, random)
	}
	for _, s := range all {
		s.promoted(at, "good")
	}
	at = release("v1")
	for _, s := range all {
		s.watch.carried(at, "v1", "25%")
	}
	from := time.Now()
	w.Kill(clustertest.APIServer)
	for _, s := range all {
		eventually(t, "requests are sent without an API server", func() error { return s.sent(from, 5*s.rate) })
	}
	w.StartComponent(clustertest.APIServer)
	for _, s := range all {
		s.promoted(at, "v1")
		s.load.unharmed(s.begun)
	}
}
