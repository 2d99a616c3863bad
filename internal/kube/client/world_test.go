package client

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/kube"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// patience is far longer than anything here takes.
const patience = time.Minute

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a cluster of the fake client's, in which alice is logged in.
type world struct {
	client.WithWatch
	t *testing.T
}

func newWorld(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) world {
	t.Helper()
	s, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if r, ok := o.(*authenticationv1.SelfSubjectReview); ok {
			r.Status.UserInfo.Username = "alice"
			return nil
		}
		return c.Create(ctx, o, opts...)
	}
	return world{t: t, WithWatch: fake.NewClientBuilder().WithScheme(s).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.ModelRollout{}, &v1alpha1.RolloutCommand{}).
		WithIndex(&corev1.Event{}, "involvedObject.uid", func(o client.Object) []string {
			return []string{string(o.(*corev1.Event).InvolvedObject.UID)}
		}).WithInterceptorFuncs(funcs).Build()}
}

// client is alice's, in a namespace.
func (w world) client(namespace string) *Client {
	return New(Config{
		Client: w, Namespace: namespace, Decode: decode, Patience: patience, Wall: func() time.Time { return noon },
	})
}

func decode(o *v1alpha1.RolloutState) (s rollout.State, err error) {
	err = json.Unmarshal([]byte(o.State), &s)
	return s, err
}

func modelRollout(namespace, name string) *v1alpha1.ModelRollout {
	return &v1alpha1.ModelRollout{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-of-" + name)}}
}

// under is a rollout at 25% whose state was saved at 5%.
func under(t *testing.T) (*v1alpha1.ModelRollout, *v1alpha1.RolloutState) {
	t.Helper()
	m := modelRollout("shop", "churn")
	m.Status = v1alpha1.ModelRolloutStatus{
		Phase: "Paused", Reason: "A person decides", Waiting: "Waiting for approval",
		Stable:  v1alpha1.RevisionStatus{Version: "v1", Hash: "aaaa", Ready: true},
		Canary:  v1alpha1.RevisionStatus{Version: "v2", Hash: "bbbb", Message: "1 of 2 pods"},
		Attempt: 2, Step: "2/3", StepIndex: 1, Weight: v1alpha1.WeightStatus{Wanted: "25%", Observed: "24.5%", Mirror: "10%", Level: "Accepted"},
		Verdict:  "Pass",
		Evidence: []v1alpha1.MetricStatus{{Name: "errors", Decision: "Pass", Rollback: "0.25", Promotion: "1.50"}, {Name: "new", Promotion: "0.50"}},
		Warnings: []string{"the metrics are late"},
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "Refused", Message: "spec.routing: no"},
			{Type: v1alpha1.ConditionPaused, Status: metav1.ConditionTrue, Reason: "Paused", Message: "not a warning"},
			{Type: v1alpha1.ConditionReplicasContested, Status: metav1.ConditionTrue, Reason: "Autoscaler", Message: "an autoscaler"},
			{Type: v1alpha1.ConditionDirectTraffic, Status: metav1.ConditionFalse, Reason: "Fine", Message: "none"},
		},
	}
	state := rollout.State{
		Phase: rollout.Paused, PhaseBegan: noon, Step: 0, Attempt: 2,
		Plan: rollout.Plan{
			Steps: make([]rollout.Step, 3), Stable: rollout.Revision{Version: "v1", Hash: "aaaa"}, Canary: rollout.Revision{Version: "v2", Hash: "bbbb"},
			Analysis: analysis.Config{FalseRollback: 0.01},
		},
		Verdict: analysis.Verdict{Metrics: []analysis.MetricVerdict{{
			Name: "errors", LogRollback: 1, RollbackThreshold: 4, LogPromotion: 1, PromotionThreshold: 3, StableN: 900, CanaryN: 100, Stable: 0.01, Canary: 0.02,
		}}},
	}
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	return m, &v1alpha1.RolloutState{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "churn"}, Rollout: string(m.UID), Version: 3, State: string(text),
	}
}

// event is one that the controller has written about m.
func event(m *v1alpha1.ModelRollout, name string, kind rollout.EventKind, at time.Time) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: m.Namespace, Name: name, Annotations: map[string]string{kube.AnnotationRevision: "v2"}},
		InvolvedObject: corev1.ObjectReference{UID: m.UID}, Reason: string(kind), Message: "what " + name + " says", EventTime: metav1.NewMicroTime(at),
	}
}
