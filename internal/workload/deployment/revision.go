package deployment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// marksOf is the prefix of everything that Haldane writes on an object.
const marksOf = "haldane.dev/"

// revision identifies a pod template together with the hash of its tracked
// configuration.
func (w *Workload) revision(t *corev1.PodTemplateSpec, sc scene, config string) rollout.Revision {
	return rollout.Revision{Version: version(t), Hash: w.hash(t, sc, config)}
}

// stableRevision is that of the version in service.
func (w *Workload) stableRevision(sc scene) rollout.Revision {
	t := &sc.stable.Spec.Template
	return w.revision(t, sc, t.Annotations[AnnotationConfig])
}

// hash is the same for the candidate's template and the copy of it in service.
func (w *Workload) hash(t *corev1.PodTemplateSpec, sc scene, config string) string {
	text, err := json.Marshal(w.bare(t, sc))
	if err != nil {
		panic("deployment: a pod template that came as JSON is not JSON: " + err.Error())
	}
	sum := sha256.Sum256(append(append(text, 0), config...))
	return hex.EncodeToString(sum[:10])
}

// bare returns a template without what differs between two arms that run the
// same: Haldane's marks, the hash that Kubernetes adds, the names of copied
// ConfigMaps and, of a pair, the labels that tell the two apart.
func (w *Workload) bare(t *corev1.PodTemplateSpec, sc scene) *corev1.PodTemplateSpec {
	t = t.DeepCopy()
	t.CreationTimestamp = metav1.Time{}
	maps.DeleteFunc(t.Annotations, ofHaldane)
	maps.DeleteFunc(t.Labels, ofHaldane)
	delete(t.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	if w.pair() {
		for _, d := range []*appsv1.Deployment{sc.stable, sc.candidate} {
			if d == nil || d.Spec.Selector == nil {
				continue
			}
			for k := range d.Spec.Selector.MatchLabels {
				delete(t.Labels, k)
			}
		}
	}
	if len(t.Annotations) == 0 {
		t.Annotations = nil
	}
	if len(t.Labels) == 0 {
		t.Labels = nil
	}
	w.renameConfigMaps(&t.Spec, func(name string) string {
		if original, is := w.original(name); is {
			return original
		}
		return name
	})
	return t
}

func ofHaldane(k, _ string) bool { return strings.HasPrefix(k, marksOf) }

// version is what people call a template: its version label or, without one,
// the tag of its first image.
func version(t *corev1.PodTemplateSpec) string {
	for _, k := range []string{"app.kubernetes.io/version", "version"} {
		if v := t.Labels[k]; v != "" {
			return v
		}
	}
	if len(t.Spec.Containers) == 0 {
		return ""
	}
	image := t.Spec.Containers[0].Image
	name, digest, hasDigest := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		return name[i+1:]
	}
	if hasDigest {
		_, sum, _ := strings.Cut(digest, ":")
		return sum[:min(len(sum), 12)]
	}
	return name[strings.LastIndex(name, "/")+1:]
}

// sameTemplate compares a ReplicaSet's template with its Deployment's, as
// Kubernetes does.
func sameTemplate(set *appsv1.ReplicaSet, d *appsv1.Deployment) bool {
	a, b := set.Spec.Template.DeepCopy(), d.Spec.Template.DeepCopy()
	delete(a.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(b.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(a, b)
}

// same reports whether a write of b over a would change anything.
func same(a, b *appsv1.Deployment) bool {
	return equality.Semantic.DeepEqual(a.Spec, b.Spec) &&
		equality.Semantic.DeepEqual(a.Annotations, b.Annotations) && equality.Semantic.DeepEqual(a.Labels, b.Labels)
}

// Version is what people call a pod template: its version label or, without
// one, the tag of its first image.
func Version(t *corev1.PodTemplateSpec) string { return version(t) }
