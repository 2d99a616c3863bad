package deployment

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const large = rollout.Role(traffic.NumArms)

// ofThree is a world whose rollout compares a Deployment of its own, too.
func ofThree(t *testing.T) *world {
	t.Helper()
	d := model(2, "churn:v3")
	l := map[string]string{"app": "churn-large"}
	d.Name, d.UID, d.Spec.Selector, d.Spec.Template.Labels = "churn-large", "uid-large", &metav1.LabelSelector{MatchLabels: l}, l
	s := userService()
	s.Name, s.Spec.Selector = "large", l
	w := newWorld(t, newCluster(t, model(2, "churn:v1"), userService(), d, s), func(s *v1alpha1.Spec) {
		s.Workload.Variants = map[string]v1alpha1.WorkloadVariant{"large": {Name: "churn-large", Service: "large"}}
		s.Strategy.Experiment = &v1alpha1.Experiment{Arms: []v1alpha1.ExperimentArm{{Name: "stable"}, {Name: "canary"}, {Name: "large"}}}
	})
	w.until("rest", w.atRest)
	return w
}

func (w *world) healthOf(r rollout.Role) rollout.Health {
	w.t.Helper()
	all, err := w.w.Observe(w.t.Context(), w.target())
	w.must(err)
	return all[r]
}

// TestVariantsAreTheUsersOwn: nobody scales or marks them, and one that is edited
// while it is compared has failed, across a restart too.
func TestVariantsAreTheUsersOwn(t *testing.T) {
	w := ofThree(t)
	if h := w.healthOf(large); !h.Ready || h.Failed {
		t.Fatalf("at rest: %+v", h)
	}
	before := w.get("churn-large")
	w.edit("churn-large", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "churn:v4" })
	w.round()
	if h := w.healthOf(large); h.Failed {
		t.Errorf("edited before it is compared: %+v", h)
	}
	w.image("churn:v2")
	w.until("the comparison", func() bool { return w.state.Phase == rollout.Progressing && w.carried.Canary > 0 })
	if h := w.healthOf(large); !h.Ready || h.Failed {
		t.Errorf("compared: %+v", h)
	}
	if now := w.get("churn-large"); *now.Spec.Replicas != *before.Spec.Replicas || now.Annotations["haldane.dev/owner"] != "" {
		t.Errorf("it was written to: %+v", now.ObjectMeta)
	}
	w.edit("churn-large", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "churn:v5" })
	w.restart()
	if h := w.healthOf(large); !h.Failed || !strings.Contains(h.Message, "edited while it was compared") {
		t.Errorf("edited: %+v", h)
	}
	w.verdict = analysis.Fail
	w.until("taken back", func() bool { return !w.state.Want.Scale.Canary && w.state.Phase == rollout.RolledBack })
	w.must(w.tick())
	if h := w.healthOf(large); h.Failed {
		t.Errorf("afterwards: %+v", h)
	}
}

// TestVariantsThatCannotBeReached say what is missing.
func TestVariantsThatCannotBeReached(t *testing.T) {
	for want, spoil := range map[string]func(*world){
		"Deployment churn-large does not exist":          func(w *world) { w.must(w.c.Delete(w.t.Context(), w.get("churn-large"))) },
		"Service large does not exist":                   func(w *world) { w.must(w.c.Delete(w.t.Context(), w.service("large"))) },
		"Service large does not select the pods":         func(w *world) { w.selector("large", map[string]string{"app": "other"}) },
		"Service large selects the pods of churn-stable": func(w *world) { w.selector("large", map[string]string{"app": "churn"}) },
		"Deployment churn-large has no replicas":         func(w *world) { w.edit("churn-large", func(d *appsv1.Deployment) { *d.Spec.Replicas = 0 }) },
		"of 9 pods of churn-large are available":         func(w *world) { w.edit("churn-large", func(d *appsv1.Deployment) { *d.Spec.Replicas = 9 }) },
	} {
		w := ofThree(t)
		spoil(w)
		if h := w.healthOf(large); h.Ready || !strings.Contains(h.Message, want) {
			t.Errorf("%q: %+v", want, h)
		}
	}
}

func (w *world) selector(service string, of map[string]string) {
	w.t.Helper()
	s := w.service(service)
	s.Spec.Selector = of
	w.must(w.c.Update(w.t.Context(), s))
}

// TestAVariantThatComesLate: what it runs is remembered from then on.
func TestAVariantThatComesLate(t *testing.T) {
	w := ofThree(t)
	late := w.get("churn-large")
	w.must(w.c.Delete(w.t.Context(), late))
	w.image("churn:v2")
	w.until("the candidate", func() bool { return w.healthOf(traffic.Canary).Ready })
	w.round()
	if h := w.healthOf(large); h.Ready || h.Failed {
		t.Errorf("before it is there: %+v", h)
	}
	late.ResourceVersion, late.UID = "", "uid-late"
	w.must(w.c.Create(w.t.Context(), late))
	w.must(w.tick()) // which remembers what it runs
	w.round()
	if h := w.healthOf(large); !h.Ready || h.Failed {
		t.Fatalf("there: %+v", h)
	}
	w.edit("churn-large", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "churn:v5" })
	if h := w.healthOf(large); !h.Failed || !strings.Contains(h.Message, "edited while it was compared") {
		t.Errorf("edited: %+v", h)
	}
}

// TestVariantsApart: the Service of one must not lead to the pods of another.
func TestVariantsApart(t *testing.T) {
	l := map[string]string{"app": "churn-large"}
	var all []client.Object
	for _, name := range []string{"churn-large", "churn-huge"} {
		d := model(2, "churn:"+name)
		d.Name, d.UID, d.Spec.Selector = name, types.UID("uid-"+name), &metav1.LabelSelector{MatchLabels: map[string]string{"size": name}}
		d.Spec.Template.Labels = map[string]string{"app": "churn-large", "size": name}
		s := userService()
		s.Name, s.Spec.Selector = strings.TrimPrefix(name, "churn-"), l
		all = append(all, d, s)
	}
	w := newWorld(t, newCluster(t, append(all, model(2, "churn:v1"), userService())...), func(s *v1alpha1.Spec) {
		s.Workload.Variants = map[string]v1alpha1.WorkloadVariant{"large": {Name: "churn-large", Service: "large"}, "huge": {Name: "churn-huge", Service: "huge"}}
		s.Strategy.Experiment = &v1alpha1.Experiment{Arms: []v1alpha1.ExperimentArm{{Name: "stable"}, {Name: "canary"}, {Name: "huge"}, {Name: "large"}}}
	})
	w.until("rest", w.atRest)
	for role, want := range map[rollout.Role]string{large: "Service huge selects the pods of churn-large, too", large + 1: "Service large selects the pods of churn-huge, too"} {
		if h := w.healthOf(role); h.Ready || h.Message != want {
			t.Errorf("%+v, want %q", h, want)
		}
	}
	w.selector("large", map[string]string{"size": "churn-large"})
	w.selector("huge", map[string]string{"size": "churn-huge"})
	for _, role := range []rollout.Role{large, large + 1} {
		if h := w.healthOf(role); !h.Ready {
			t.Errorf("told apart: %+v", h)
		}
	}
}
