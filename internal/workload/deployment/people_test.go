package deployment

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// condition returns the one of a type that was found last.
func (w *world) condition(kind string) cluster.Condition {
	w.t.Helper()
	for _, c := range w.w.Conditions() {
		if c.Type == kind {
			return c
		}
	}
	w.t.Fatalf("no condition %s: %+v", kind, w.w.Conditions())
	return cluster.Condition{}
}

func hpa(target string) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "load"},
		Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: target}},
	}
}

func TestAutoscalerOnTheCandidateIsRefused(t *testing.T) {
	w := newWorld(t, newCluster(t, model(2, "churn:v1"), userService(), hpa("churn")), nil)
	for range 10 {
		_ = w.tick()
	}
	w.image("churn:v2")
	for range 10 {
		_ = w.tick()
	}
	c := w.condition(v1alpha1.ConditionReplicasContested)
	if !c.True || !c.Blocks || !strings.Contains(c.Message, `patch hpa load`) || !strings.Contains(c.Message, "churn-stable") {
		t.Fatalf("%+v", c)
	}
	if w.state.Phase != rollout.Idle {
		t.Errorf("%s begins beside an autoscaler", w.state.Phase)
	}
	if n := *w.get("churn").Spec.Replicas; n != 2 {
		t.Errorf("the autoscaler's replicas were set to %d", n)
	}
	h := hpa("churn")
	w.must(w.c.Get(t.Context(), w.w.key("load"), h))
	h.Spec.ScaleTargetRef.Name = "churn-stable"
	w.must(w.c.Update(t.Context(), h))
	w.atStep(0)
	if c := w.condition(v1alpha1.ConditionReplicasContested); c.True {
		t.Errorf("%+v", c)
	}
}

func TestKEDAOnTheCandidateIsRefused(t *testing.T) {
	w := bootstrapped(t, 1, nil)
	o := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"scaleTargetRef": map[string]any{"name": "churn"}}}}
	o.SetAPIVersion("keda.sh/v1alpha1")
	o.SetKind("ScaledObject")
	o.SetNamespace(namespace)
	o.SetName("queue")
	w.must(w.c.Create(t.Context(), o))
	w.must(w.tick())
	if c := w.condition(v1alpha1.ConditionReplicasContested); !c.Blocks || !strings.Contains(c.Message, "patch scaledobject queue") {
		t.Errorf("%+v", c)
	}
}

func TestAutoscalerOfStableIsLeftAlone(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.edit("churn-stable", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(6)) })
	w.until("six pods", func() bool { return len(w.images("churn-stable")) == 6 })
	w.image("churn:v2")
	w.atStep(0)
	w.wantImages("churn-canary", 2, "churn:v2") // a quarter of six
	w.wantImages("churn-stable", 6, "churn:v1")
}

func TestSwapWithAnAutoscalerIsRefused(t *testing.T) {
	w := newWorld(t, newCluster(t, model(2, "churn:v1"), userService(), hpa("churn-stable")), func(s *v1alpha1.Spec) { s.Workload.Order = "Swap" })
	for range 3 {
		_ = w.tick()
	}
	if c := w.condition(v1alpha1.ConditionReplicasContested); !c.Blocks || c.Reason != "AutoscalerWithSwap" {
		t.Errorf("%+v", c)
	}
}

func TestReplicasContested(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	rewrite := func() {
		w.edit("churn", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(5)) })
		w.must(w.tick())
	}
	w.edit("churn", func(d *appsv1.Deployment) {
		m := metav1.ManagedFieldsEntry{Manager: "kubectl-create", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{}}
		m.FieldsV1.SetRawString(`{"f:spec":{"f:replicas":{}}}`)
		d.ManagedFields = append(d.ManagedFields, m)
	})
	rewrite()
	if c := w.condition(v1alpha1.ConditionReplicasContested); c.True {
		t.Fatalf("after one rewrite: %+v", c)
	}
	if n := *w.get("churn").Spec.Replicas; n != 0 {
		t.Errorf("one rewrite is not undone: %d replicas", n)
	}
	w.restart() // nothing of it is in memory
	rewrite()
	w.must(w.tick())
	c := w.condition(v1alpha1.ConditionReplicasContested)
	if !c.True || !c.Blocks || !strings.Contains(c.Message, "kubectl-edit has rewritten") {
		t.Fatalf("after two rewrites: %+v", c)
	}
	w.image("churn:v2")
	w.must(w.tick())
	w.must(w.tick())
	if w.state.Phase != rollout.Idle {
		t.Errorf("%s begins in a fight", w.state.Phase)
	}
	w.clock = w.clock.Add(contestedFor)
	w.atStep(0) // it is over
}

func TestDirectTraffic(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		w := bootstrapped(t, 2, func(s *v1alpha1.Spec) { s.Routing.AllowDirect = &allowed })
		c := w.condition(v1alpha1.ConditionDirectTraffic)
		if !c.True || c.Blocks == allowed || !strings.Contains(c.Message, `kubectl -n shop patch service churn --type merge -p '{"spec":{"selector":{"haldane.dev/workload":"churn","haldane.dev/role":"stable"}}}'`) {
			t.Fatalf("%+v", c)
		}
		s := w.service("churn")
		s.Spec.Selector[LabelWorkload], s.Spec.Selector[cluster.LabelRole] = "churn", "stable"
		w.must(w.c.Update(t.Context(), s))
		w.wantImages("churn", 2, "churn:v1")
		w.must(w.tick())
		if c := w.condition(v1alpha1.ConditionDirectTraffic); c.True || c.Blocks {
			t.Errorf("pinned: %+v", c)
		}
	}
}

func TestHandEditOfStableIsHealed(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.edit("churn-stable", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "churn:hand" })
	w.until("healing", func() bool {
		all := w.images("churn-stable")
		return len(all) == 2 && all[0] == "churn:v1" && all[1] == "churn:v1"
	})
}

func TestDeletedStableComesBackAsItWas(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.broken = true
	w.must(w.c.Delete(t.Context(), w.get("churn-stable")))
	w.until("stable", func() bool {
		var d appsv1.Deployment
		return w.c.Get(t.Context(), w.w.key("churn-stable"), &d) == nil && d.Status.AvailableReplicas > 0
	})
	for _, image := range w.images("churn-stable") {
		if image != "churn:v1" {
			t.Errorf("stable came back as %s, unjudged", image)
		}
	}
}

func TestDeletedCandidateGoesBackToStable(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.broken = true
	w.must(w.c.Delete(t.Context(), w.get("churn")))
	w.round()
	w.until("stable", func() bool { return w.carried.Canary == 0 })
	w.wantImages("churn-stable", 2, "churn:v1")
	for range 5 {
		w.must(w.tick())
	}
	w.must(w.c.Create(t.Context(), model(1, "churn:v3")))
	w.atStep(0)
	if w.state.Plan.Canary.Version != "v3" {
		t.Errorf("the candidate is %s", w.state.Plan.Canary)
	}
}

func TestScaleDownDelay(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	w.verdict = "Fail"
	w.until("traffic to leave", func() bool { return w.state.Phase == rollout.RolledBack })
	left := w.clock
	w.until("the candidate's end", func() bool { return *w.get("churn").Spec.Replicas == 0 })
	if took := w.clock.Sub(left); took < 30*time.Second {
		t.Errorf("requests on their way had %s, want the delay of 30s", took)
	}
}

// With the replicas router the numbers of pods are that router's.
func TestReplicasRouterHasTheNumbers(t *testing.T) {
	w := bootstrapped(t, 4, func(s *v1alpha1.Spec) { s.Routing.Replicas = &v1alpha1.Replicas{} })
	w.image("churn:v2")
	w.atStep(0)
	w.broken = true // no router is there to split by the numbers
	w.edit("churn-stable", func(d *appsv1.Deployment) {
		annotate(d, AnnotationReplicas, "4")
		d.Spec.Replicas = new(int32(1))
	})
	w.edit("churn", func(d *appsv1.Deployment) {
		annotate(d, AnnotationWrote, "3")
		d.Spec.Replicas = new(int32(3))
	})
	for range 4 {
		w.must(w.tick())
	}
	w.wantImages("churn-stable", 1, "churn:v1")
	w.wantImages("churn-canary", 3, "churn:v2")
	if n := full(w.get("churn-stable")); n != 4 {
		t.Errorf("stable's number when it serves everything is forgotten: %d", n)
	}
	if c := w.condition(v1alpha1.ConditionReplicasContested); c.True {
		t.Errorf("the router is taken for a stranger: %+v", c)
	}
	if c := w.condition(v1alpha1.ConditionDirectTraffic); c.True {
		t.Errorf("the user's Service is how it is split: %+v", c)
	}
	w.verdict = "Fail"
	w.until("the candidate's end", func() bool { return *w.get("churn").Spec.Replicas == 0 })
}
