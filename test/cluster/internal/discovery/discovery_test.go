package discovery

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTargets(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{"app.kubernetes.io/name": "web"}, Annotations: map[string]string{"prometheus.io/scrape": "true"}},
		Spec: corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{
			{Name: "web", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: "TCP"}, {ContainerPort: 9000}}},
			{Name: "side"},
		}},
	}
	if got := targets(pod); got != nil {
		t.Errorf("a pod without an address: %v, want none", got)
	}
	pod.Status = corev1.PodStatus{PodIP: "10.0.0.1", Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	groups := targets(pod)
	var got []string
	for _, g := range groups {
		got = append(got, g.Targets...)
	}
	if diff := cmp.Diff([]string{"10.0.0.1:8080", "10.0.0.1:9000", "10.0.0.1"}, got); diff != "" {
		t.Fatalf("targets (-want +got):\n%s", diff)
	}
	for label, want := range map[string]string{
		"namespace": "shop", "pod_name": "web-1", "pod_phase": "Running", "pod_ready": "true", "pod_node_name": "n",
		"pod_container_name": "web", "pod_container_port_name": "http", "pod_container_port_number": "8080",
		"pod_label_app_kubernetes_io_name": "web", "pod_labelpresent_app_kubernetes_io_name": "true",
		"pod_annotation_prometheus_io_scrape": "true",
	} {
		if got := groups[0].Labels["__meta_kubernetes_"+label]; got != want {
			t.Errorf("%s = %q, want %q", label, got, want)
		}
	}
}
