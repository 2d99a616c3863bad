package cluster

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMayWrite(t *testing.T) {
	alive := map[string]bool{"u1": true, "u2": true}
	exists := func(uid string) bool { return alive[uid] }
	ours := Rollout{Namespace: "shop", Name: "churn", UID: "u1", Exists: exists}
	theirs := Rollout{Namespace: "shop", Name: "other", UID: "u2", Exists: exists}
	obj := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "s"}}
	if err := ours.MayWrite(nil, 1); err != nil {
		t.Errorf("an object that is not there: %v", err)
	}
	if err := ours.MayWrite(obj, 1); err != nil {
		t.Errorf("an object that nobody has claimed: %v", err)
	}
	ours.Stamp(obj, 7, true)
	if obj.Labels[LabelRollout] != "churn" {
		t.Errorf("labels %v", obj.Labels)
	}
	for sequence, want := range map[uint64]error{6: ErrStale, 7: nil, 8: nil} {
		if err := ours.MayWrite(obj, sequence); !errors.Is(err, want) {
			t.Errorf("decision %d over 7: %v, want %v", sequence, err, want)
		}
	}
	if err := theirs.MayWrite(obj, 9); !errors.Is(err, ErrClaimed) {
		t.Errorf("another rollout: %v, want ErrClaimed", err)
	}
	alive["u1"] = false
	if err := theirs.MayWrite(obj, 1); err != nil {
		t.Errorf("what a vanished rollout had claimed: %v", err)
	}
	alive["u1"] = true
	ours.Unstamp(obj)
	if len(obj.Annotations) > 0 || len(obj.Labels) > 0 {
		t.Errorf("left behind: %v %v", obj.Annotations, obj.Labels)
	}
	if err := theirs.MayWrite(obj, 1); err != nil {
		t.Errorf("after the release: %v", err)
	}
}

func TestStampLeavesTheUsersLabelsAlone(t *testing.T) {
	obj := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "churn"}, Annotations: map[string]string{"a": "b"}}}
	Rollout{Name: "churn", UID: "u1"}.Stamp(obj, 1, false)
	if len(obj.Labels) != 1 || obj.Annotations["a"] != "b" || obj.Annotations[AnnotationOwner] != "u1" {
		t.Errorf("labels %v, annotations %v", obj.Labels, obj.Annotations)
	}
}
