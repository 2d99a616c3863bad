package fleetrouter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/router/object/objecttest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestVariants: the further arms of an experiment are in the table, at the ports
// of their own Services, and who has which hundredth is what was observed.
func TestVariants(t *testing.T) {
	w := open(t, 1)
	w.Rollout.Spec.Workload.Variants = map[string]v1alpha1.WorkloadVariant{
		"large": {Name: "churn-large", Service: "large", Version: "v3"}, "small": {Name: "churn-small", Service: "nowhere", Version: "v4"},
	}
	w.Router = w.router()
	err := w.Plain.Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "large"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "grpc", Port: 9000}, {Name: "http", Port: 8000}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	split := traffic.Split{
		Generation: 1, Canary: traffic.Percent(30), Slots: strings.Repeat("0", 40) + strings.Repeat("1", 30) + strings.Repeat("2", 20) + strings.Repeat("3", 10),
		Variants: []traffic.Variant{{Name: "large", Always: []traffic.Match{{Cohort: "a"}}}, {Name: "small"}},
	}
	w.apply(split)
	table := &v1alpha1.GatewayTable{}
	if err := w.Plain.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "churn-gateway"}, table); err != nil {
		t.Fatal(err)
	}
	d, err := fleet.Decode(table.Spec.Table)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]fleet.Door{{URL: "http://large:8000", Version: "v3"}, {URL: "http://nowhere:80", Version: "v4"}}, d.Variants); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(split, d.Split); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if o, err := w.Observe(t.Context(), objecttest.Target); err != nil || o.Slots != split.Slots || o.Canary != split.Canary {
		t.Errorf("observed %+v, %v", o, err)
	}
	split.Variants[1].Name, split.Generation = "tiny", 2
	if err := w.Apply(t.Context(), objecttest.Target, split); err == nil || !strings.Contains(err.Error(), "tiny") {
		t.Errorf("an arm that is none: %v", err)
	}
}
