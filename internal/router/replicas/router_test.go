package replicas_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/router/replicas"
	"github.com/haldane-dev/haldane/internal/router/routertest"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload/deployment"
)

const (
	service = `
apiVersion: v1
kind: Service
metadata: {name: churn, namespace: shop}
spec: {selector: {app: churn}, ports: [{port: 80}]}
`
	autoscaler = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: busy, namespace: shop}
spec: {maxReplicas: 9, scaleTargetRef: {kind: Deployment, name: churn-stable}}
`
)

func deploymentOf(name string, pods int) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: shop}
spec:
  replicas: %d
  selector: {matchLabels: {d: %s}}
  template: {metadata: {labels: {app: churn, d: %s}}, spec: {containers: [{name: m, image: m}]}}
status: {replicas: %d, availableReplicas: %d}
`, name, pods, name, name, pods, pods)
}

func spec(weights ...v1alpha1.Weight) v1alpha1.Spec {
	s := v1alpha1.Spec{Routing: v1alpha1.Routing{Replicas: &v1alpha1.Replicas{}}}
	s.Strategy.Canary = &v1alpha1.Canary{}
	for _, w := range weights {
		s.Strategy.Canary.Steps = append(s.Strategy.Canary.Steps, v1alpha1.Step{Weight: &w})
	}
	return s
}

// fleet is a world with the Deployments of both arms, whose controller makes
// and ends at most pace pods of each between two looks.
type fleet struct {
	*objecttest.World
	*replicas.Router
	now time.Time
}

func open(t *testing.T, s v1alpha1.Spec, stable, canary int, objects ...string) *fleet {
	f := &fleet{World: objecttest.New(t, s, append(objects, service, deploymentOf("churn-stable", stable), deploymentOf("churn", canary))...)}
	f.Router = replicas.New(f.Rollout)
	f.now = time.Unix(0, 0)
	f.SetClock(func() time.Time { return f.now })
	return f
}

func (f *fleet) get(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{}
	if err := f.Plain.Get(t.Context(), client.ObjectKey{Namespace: objecttest.Namespace, Name: name}, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// settle lets the Deployment controller go on, for both or for those named.
func (f *fleet) settle(ctx context.Context, pace int32, names ...string) error {
	if len(names) == 0 {
		names = []string{"churn", "churn-stable"}
	}
	for _, name := range names {
		d := &appsv1.Deployment{}
		if err := f.Plain.Get(ctx, client.ObjectKey{Namespace: objecttest.Namespace, Name: name}, d); err != nil {
			return err
		}
		step := max(-pace, min(pace, *d.Spec.Replicas-d.Status.Replicas))
		d.Status.Replicas += step
		d.Status.AvailableReplicas = d.Status.Replicas
		if err := f.Plain.Status().Update(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) selects(t *testing.T) map[string]string {
	t.Helper()
	s := &corev1.Service{}
	if err := f.Plain.Get(t.Context(), client.ObjectKey{Namespace: objecttest.Namespace, Name: "churn"}, s); err != nil {
		t.Fatal(err)
	}
	return s.Spec.Selector
}

var (
	stableAlone = map[string]string{"arm": "stable"}
	canaryAlone = map[string]string{"arm": "canary"}
	bothArms    = map[string]string{"app": "churn"}
)

func TestContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		f := open(t, spec(5), 100, 100)
		f.AfterApply = func(ctx context.Context, kind schema.GroupVersionKind, name string) error {
			if kind.Kind != "Deployment" {
				return nil
			}
			return f.settle(ctx, 1000, name)
		}
		return routertest.Harness{
			Router: &again{f.Router}, Target: objecttest.Target,
			Snapshot: func(t *testing.T) any { return []any{f.selects(t), *f.get(t, "churn-stable").Spec.Replicas} },
		}
	})
}

// again applies twice, as the engine does at every look: pods that come first
// are awaited by the next call.
type again struct{ *replicas.Router }

func (a *again) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	if err := a.Router.Apply(ctx, t, s); err != nil {
		return err
	}
	return a.Router.Apply(ctx, t, s)
}

func TestLadder(t *testing.T) {
	f := open(t, spec(10, 25, 50, 100), 10, 0)
	s := traffic.Split{}
	step := func(percent float64, stable, canary int32, selects map[string]string) {
		t.Helper()
		s.Generation++
		s.Canary = traffic.Percent(percent)
		for i := range 60 {
			if err := f.Apply(t.Context(), objecttest.Target, s); err != nil {
				t.Fatal(err)
			}
			if err := f.settle(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			both := f.get(t, "churn-stable").Status.AvailableReplicas
			if c := f.get(t, "churn").Status.AvailableReplicas; !cmp.Equal(f.selects(t), stableAlone) {
				both += c
			}
			if both < 8 { // a quarter of 10, rounded down, may be missing
				t.Errorf("to %s, look %d: %d pods serve", s.Canary, i, both)
			}
			o, err := f.Observe(t.Context(), objecttest.Target)
			if err != nil {
				t.Fatal(err)
			}
			if f.now = f.now.Add(time.Second); o.Carries(s) {
				break
			}
			if i == 59 {
				t.Errorf("%s is never carried: %+v", s.Canary, o)
			}
		}
		if got := f.selects(t); !cmp.Equal(got, selects) {
			t.Errorf("at %s the Service selects %v, want %v", s.Canary, got, selects)
		}
		if got := [2]int32{*f.get(t, "churn-stable").Spec.Replicas, *f.get(t, "churn").Spec.Replicas}; got != [2]int32{stable, canary} {
			t.Errorf("at %s there are %v pods, want %d and %d", s.Canary, got, stable, canary)
		}
	}
	start := func() { // the workload starts the candidate
		d := f.get(t, "churn")
		d.Spec.Replicas = new(int32(2))
		if err := f.Plain.Update(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	step(0, 10, 0, stableAlone)
	start()
	step(0, 10, 2, stableAlone)
	step(10, 9, 1, bothArms)
	if got := f.get(t, "churn-stable").Annotations[deployment.AnnotationReplicas]; got != "10" {
		t.Errorf("stable remembers %q pods", got)
	}
	if got := f.get(t, "churn").Annotations[deployment.AnnotationWrote]; got != "1" {
		t.Errorf("the candidate's number is noted as %q", got)
	}
	step(25, 7, 3, bothArms)
	step(50, 5, 5, bothArms)
	step(25, 7, 3, bothArms)
	step(100, 10, 10, canaryAlone)
	step(0, 10, 10, stableAlone)
	if got, ok := f.get(t, "churn-stable").Annotations[deployment.AnnotationReplicas]; ok {
		t.Errorf("at its full number stable still remembers %q", got)
	}
}

func TestRollbackWaitsForRoomAndNotForEver(t *testing.T) {
	f := open(t, spec(50), 10, 5)
	apply := func(generation uint64, percent float64) {
		t.Helper()
		if err := f.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: generation, Canary: traffic.Percent(percent)}); err != nil {
			t.Fatal(err)
		}
	}
	apply(1, 50)
	if err := f.settle(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	apply(2, 0)
	if got := *f.get(t, "churn-stable").Spec.Replicas; got != 10 {
		t.Errorf("stable is brought to %d pods", got)
	}
	if got := f.selects(t); !cmp.Equal(got, bothArms) {
		t.Errorf("with half of stable's pods the Service selects %v", got)
	}
	if o, _ := f.Observe(t.Context(), objecttest.Target); o.Level != traffic.Written || o.Canary == 0 {
		t.Errorf("meanwhile %+v", o)
	}
	f.now = f.now.Add(replicas.Patience)
	apply(2, 0)
	if got := f.selects(t); !cmp.Equal(got, stableAlone) {
		t.Errorf("after %s the Service selects %v", replicas.Patience, got)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		f      *fleet
		weight float64
		want   string
	}{
		"less than a pod": {open(t, spec(5), 10, 1), 5, "run 20 pods of Deployment churn-stable"},
		"one pod":         {open(t, spec(50), 1, 1), 50, "one pod cannot be split"},
		"an autoscaler":   {open(t, spec(50), 10, 1, autoscaler), 50, "HorizontalPodAutoscaler busy"},
	} {
		err := c.f.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1, Canary: traffic.Percent(c.weight)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err := c.f.Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 2}); err != nil {
			t.Errorf("%s: all to stable: %v", name, err)
		}
		if _, err := c.f.Observe(t.Context(), objecttest.Target); err != nil {
			t.Error(err)
		}
		told := false
		for _, condition := range c.f.Conditions() {
			told = told || condition.Type == object.ConditionRouteRefused && condition.True && condition.Blocks
		}
		if !told {
			t.Errorf("%s: no condition tells before a rollout begins", name)
		}
	}
	other := strings.Replace(service, "app: churn", "d: churn", 1)
	w := objecttest.New(t, spec(50), other, deploymentOf("churn-stable", 4), deploymentOf("churn", 2))
	err := replicas.New(w.Rollout).Apply(t.Context(), objecttest.Target, traffic.Split{Generation: 1, Canary: 5000})
	if err == nil || !strings.Contains(err.Error(), "does not select the pods of both arms") {
		t.Errorf("a Service of one arm: %v", err)
	}
}
