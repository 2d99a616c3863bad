package deployment

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestTrafficWaitsUntilProxiesKnow: from the first pod of stable to a promoted
// version in its place, and back to the user's own Deployment, an arm without
// traffic gets none before its pods have been there for a while.
func TestTrafficWaitsUntilProxiesKnow(t *testing.T) {
	const lag = 70 * time.Second // three and a half ticks
	w := newWorld(t, newCluster(t, model(2, "churn:v1"), userService()), nil)
	w.w.lag = lag
	w.verdict = "Pass"
	changed, had := map[string]time.Time{}, map[string]appsv1.DeploymentStatus{}
	look := func(name string) {
		var all appsv1.DeploymentList
		w.must(w.c.List(t.Context(), &all))
		for _, d := range all.Items {
			if is := d.Status; d.Name == name && (is.AvailableReplicas != had[name].AvailableReplicas || is.UpdatedReplicas != had[name].UpdatedReplicas) {
				changed[name], had[name] = w.clock, is
			}
		}
	}
	moves, was := 0, traffic.Observed{}
	tick := func() {
		w.must(w.tick())
		for to, moved := range map[string]bool{
			"churn-stable": was.Level == "" && w.carried.Level != "" || was.Canary == traffic.Full && w.carried.Canary < traffic.Full,
			"churn":        was.Canary == 0 && w.carried.Canary > 0,
		} {
			if !moved {
				continue
			}
			moves++
			if since := w.clock.Sub(changed[to]); changed[to].IsZero() || since < lag {
				t.Errorf("traffic moves to %s %s after its pods have changed", to, since)
			}
		}
		was = w.carried
		look("churn")
		look("churn-stable")
	}
	settle := func(what string, f func() bool) {
		t.Helper()
		for range 80 {
			if f() {
				return
			}
			tick()
		}
		t.Fatalf("it never comes to %s: %s, %q", what, w.state.Phase, w.waiting)
	}
	settle("rest", w.atRest)
	w.image("churn:v2")
	settle("a promotion", w.phase(rollout.Promoted))
	settle("rest after it", w.atRest)
	if moves != 3 {
		t.Errorf("traffic moved %d times to an arm that had none, want 3", moves)
	}
	for range 20 {
		waiting, err := w.w.Restore(t.Context(), w.target())
		w.must(err)
		if waiting == "" {
			break
		}
		w.clock = w.clock.Add(20 * time.Second)
		w.now = w.clock
		w.round()
		look("churn")
	}
	if since := w.clock.Sub(changed["churn"]); since < lag {
		t.Errorf("routes go back to churn %s after its pods have changed", since)
	}
}

func TestReachable(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := &Workload{now: func() time.Time { return now }, lag: propagation}
	for _, tt := range []struct {
		name          string
		changed, made time.Duration // before now; 0: nothing of the kind is known
		want          time.Duration // after now
		none          bool
	}{
		{name: "nothing known", none: true},
		{name: "long ago", changed: time.Hour, want: propagation - time.Hour},
		{name: "just now", changed: time.Second, want: propagation - time.Second},
		{name: "a new Service of old pods", changed: time.Hour, made: time.Second, want: propagation - time.Second},
		{name: "an old Service of new pods", changed: time.Second, made: time.Hour, want: propagation - time.Second},
		{name: "a clock a little ahead", changed: -time.Second, want: propagation + time.Second},
		{name: "another clock altogether", changed: -time.Minute, none: true},
	} {
		d, s := &appsv1.Deployment{}, &corev1.Service{}
		if tt.changed != 0 {
			d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, LastUpdateTime: metav1.NewTime(now.Add(-tt.changed))}}
		}
		if tt.made != 0 {
			s.CreationTimestamp = metav1.NewTime(now.Add(-tt.made))
		}
		got := w.reachable(d, s)
		if got.IsZero() != tt.none || !tt.none && !got.Equal(now.Add(tt.want)) {
			t.Errorf("%s: %s, want %s from now, or none: %v", tt.name, got.Sub(now), tt.want, tt.none)
		}
	}
}

func TestBootstrapSaysWhatItWaitsFor(t *testing.T) {
	w := newWorld(t, newCluster(t, model(2, "churn:v1"), userService()), nil)
	w.w.lag = time.Minute
	said := false
	w.until("rest", func() bool {
		said = said || strings.Contains(w.waiting, "proxies are given 1m0s to know its pods")
		return w.atRest()
	})
	if !said {
		t.Error("it did not say that proxies are waited for")
	}
}
