package app

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/internal/reading"
)

// askedFor notes what it was asked for.
type askedFor struct{ of reading.Vars }

func (a *askedFor) Read(_ context.Context, of reading.Vars, _ time.Time) (reading.Value, error) {
	a.of = of
	return reading.Value{}, nil
}

// TestPodsAreThisCandidates: a guardrail must not read of the candidate before.
func TestPodsAreThisCandidates(t *testing.T) {
	r := syntheticShop(t, "")
	got := &askedFor{}
	read := clusterReadings(r, clients{}).now(got)
	pods := func(arm string) string {
		t.Helper()
		if _, err := read.Read(t.Context(), reading.Vars{Arm: arm, Pods: "given"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		return got.of.Pods
	}
	if p := pods("canary"); p != "churn-[0-9a-z]+-[0-9a-z]{5}" {
		t.Errorf("before there is a Service: %s", p)
	}
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "churn-canary"}}
	if err := r.Client.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		selector map[string]string
		want     string
	}{
		{map[string]string{"app": "churn", "pod-template-hash": "5d9c7b6f4"}, "churn-5d9c7b6f4-[0-9a-z]{5}"},
		{map[string]string{"app": "churn", "pod-template-hash": "66f"}, "churn-66f-[0-9a-z]{5}"},
		{map[string]string{"haldane.dev/role": "none"}, "churn-[0-9a-z]+-[0-9a-z]{5}"},
	} {
		s.Spec.Selector = c.selector
		if err := r.Client.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if p := pods("canary"); p != c.want {
			t.Errorf("%v: %s, want %s", c.selector, p, c.want)
		}
	}
	if p := pods("stable"); p != "given" {
		t.Errorf("stable's: %s", p)
	}
}
