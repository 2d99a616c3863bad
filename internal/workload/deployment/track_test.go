package deployment

import (
	"maps"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
)

func configMap(threshold string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "settings"}, Data: map[string]string{"threshold": threshold}}
}

func secret(token string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "features"}, Data: map[string][]byte{"token": []byte(token)}}
}

// reading is a model that reads its settings in every way there is.
func reading() *appsv1.Deployment {
	d := model(2, "churn:v1")
	ref := corev1.LocalObjectReference{Name: "settings"}
	s := &d.Spec.Template.Spec
	s.Volumes = []corev1.Volume{
		{Name: "a", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref}}},
		{Name: "b", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref}}}}}},
	}
	s.Containers[0].EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref}}}
	s.Containers[0].Env = []corev1.EnvVar{{Name: "T", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref, Key: "threshold"}}}}
	return d
}

func tracking(copies bool) func(*v1alpha1.Spec) {
	return func(s *v1alpha1.Spec) {
		s.Workload.Track = &v1alpha1.Track{ConfigMaps: []string{"settings"}, Secrets: []string{"features"}, CopyConfigMaps: copies}
	}
}

func TestTrackedConfigurationIsARevision(t *testing.T) {
	for kind, change := range map[string]func(*world){
		"ConfigMap": func(w *world) { w.must(w.c.Update(t.Context(), configMap("0.7"))) },
		"Secret":    func(w *world) { w.must(w.c.Update(t.Context(), secret("new"))) },
	} {
		w := newWorld(t, newCluster(t, reading(), userService(), configMap("0.5"), secret("old")), tracking(false))
		w.until("rest", w.atRest)
		before := w.get("churn-stable").Spec.Template.Annotations[AnnotationConfig]
		change(w)
		w.atStep(0)
		w.verdict = analysis.Pass
		w.until("rest", w.atRest)
		// Pods read their configuration when they start, so stable's start anew.
		if after := w.get("churn-stable").Spec.Template.Annotations[AnnotationConfig]; after == before || after == "" {
			t.Errorf("%s: stable's pods were not started again: %q, then %q", kind, before, after)
		}
		w.verdict = ""
		for range 3 {
			w.must(w.tick())
		}
		if w.state.Phase != rollout.Idle {
			t.Errorf("%s: %s, what was promoted is a candidate again", kind, w.state.Phase)
		}
	}
}

// The same template with other settings: the pods that run with the old ones
// must end before the new candidate is judged.
func TestConfigurationChangedInMidRolloutStartsPodsAnew(t *testing.T) {
	w := newWorld(t, newCluster(t, reading(), userService(), configMap("0.5"), secret("old")), tracking(false))
	w.until("rest", w.atRest)
	w.image("churn:v2")
	w.atStep(0)
	first := w.podsWith(w.service("churn-canary").Spec.Selector)[0].Name
	attempt := w.state.Plan.Canary.Hash
	w.must(w.c.Update(t.Context(), configMap("0.7")))
	w.until("the next candidate", func() bool { return w.state.Plan.Canary.Hash != attempt })
	w.atStep(0)
	for _, p := range w.podsWith(w.service("churn-canary").Spec.Selector) {
		if p.Name == first {
			t.Errorf("pod %s still runs with the old settings", p.Name)
		}
	}
}

func TestStableReadsItsOwnCopies(t *testing.T) {
	w := newWorld(t, newCluster(t, reading(), userService(), configMap("0.5"), secret("old")), tracking(true))
	w.until("rest", w.atRest)
	names := func() map[string]bool {
		s := w.get("churn-stable").Spec.Template.Spec
		return map[string]bool{
			s.Volumes[0].ConfigMap.Name: true, s.Volumes[1].Projected.Sources[0].ConfigMap.Name: true,
			s.Containers[0].EnvFrom[0].ConfigMapRef.Name: true, s.Containers[0].Env[0].ValueFrom.ConfigMapKeyRef.Name: true,
		}
	}
	if got := names(); !maps.Equal(got, map[string]bool{"settings-stable": true}) {
		t.Fatalf("stable reads %v", got)
	}
	read := func() string {
		var c corev1.ConfigMap
		w.must(w.c.Get(t.Context(), w.w.key("settings-stable"), &c))
		return c.Data["threshold"]
	}
	w.must(w.c.Update(t.Context(), configMap("0.7")))
	w.atStep(0)
	if got := read(); got != "0.5" {
		t.Errorf("stable reads threshold %s unjudged", got)
	}
	w.verdict = analysis.Pass
	w.until("rest", w.atRest)
	if got := read(); got != "0.7" {
		t.Errorf("stable reads threshold %s after the promotion", got)
	}
}

func TestTrackedSecretIsReadByNameAlone(t *testing.T) {
	w := newWorld(t, newCluster(t, reading(), userService(), configMap("0.5")), tracking(false))
	if err := w.tick(); err == nil || !strings.Contains(err.Error(), "Secret features") {
		t.Errorf("a missing tracked Secret: error %v", err)
	}
}
