package deployment

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// pairOf is a stable and a candidate of the user's own.
func pairOf(stable, canary string) (s, c *appsv1.Deployment) {
	s, c = model(2, stable), model(2, canary)
	s.Name, s.UID = "churn-stable", "uid-stable"
	for track, d := range map[string]*appsv1.Deployment{"stable": s, "canary": c} {
		l := map[string]string{"app": "churn", "track": track}
		d.Spec.Selector, d.Spec.Template.Labels = &metav1.LabelSelector{MatchLabels: l}, map[string]string{"app": "churn", "track": track}
	}
	return s, c
}

func newPair(t *testing.T, promotion string) *world {
	t.Helper()
	s, c := pairOf("churn:v1", "churn:v2")
	return newWorld(t, newCluster(t, s, c, userService()), func(s *v1alpha1.Spec) { s.Workload.Pair = &v1alpha1.Pair{Promotion: promotion} })
}

func TestPairPromotesByCopy(t *testing.T) {
	w := newPair(t, "Copy")
	w.atStep(0)
	w.wantImages("churn-stable", 2, "churn:v1")
	w.wantImages("churn-canary", 1, "churn:v2")
	w.verdict = analysis.Pass
	w.until("rest", w.atRest)
	w.wantImages("churn-stable", 2, "churn:v2")
	if l := w.get("churn-stable").Spec.Template.Labels; l["track"] != "stable" {
		t.Errorf("stable's pods have labels %v", l)
	}
}

func TestPairPromotesByTraffic(t *testing.T) {
	w := newPair(t, "Traffic")
	w.atStep(0)
	w.verdict = analysis.Pass
	w.until("promotion", func() bool { return w.state.Phase == rollout.Promoted && w.get("churn-stable").Status.Replicas == 0 })
	w.verdict = ""
	for range 5 {
		w.must(w.tick())
	}
	if w.carried.Canary != traffic.Full || w.state.Phase != rollout.Promoted {
		t.Errorf("%s with %s on the candidate", w.state.Phase, w.carried.Canary)
	}
	w.wantImages("churn-canary", 2, "churn:v2")
	if !w.get("churn").Spec.Paused {
		t.Error("an edit would reach everybody unjudged")
	}
	if image := w.get("churn-stable").Spec.Template.Spec.Containers[0].Image; image != "churn:v1" {
		t.Errorf("stable's template was changed to %s", image)
	}
}

func TestPairRefusals(t *testing.T) {
	refused := func(name, want string, s, c *appsv1.Deployment) {
		t.Helper()
		d := newCluster(t, c, userService())
		if s != nil {
			d.must(d.c.Create(t.Context(), s))
		}
		w := newWorld(t, d, func(s *v1alpha1.Spec) { s.Workload.Pair = &v1alpha1.Pair{Promotion: "Copy"} })
		if err := w.tick(); err != nil || !strings.Contains(w.waiting, want) {
			t.Errorf("%s: waits for %q, error %v, want %q", name, w.waiting, err, want)
		}
	}
	_, c := pairOf("churn:v1", "churn:v2")
	refused("no stable", "does not exist", nil, c)
	s, c := pairOf("churn:v1", "churn:v2")
	s.Spec.Selector.MatchLabels = map[string]string{"app": "churn"}
	refused("overlap", "cannot be told apart", s, c)
	s, _ = pairOf("churn:v1", "churn:v2")
	s.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kustomize-controller", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "apps/v1", FieldsType: "FieldsV1",
		FieldsV1: &metav1.FieldsV1{}}}
	s.ManagedFields[0].FieldsV1.SetRawString(`{"f:spec":{"f:template":{"f:spec":{}}}}`)
	if got := owner(s); got != "kustomize-controller" {
		t.Errorf("the template's owner is %q", got)
	}
}
