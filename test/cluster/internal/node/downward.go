package node

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

func (w *worker) hostname() string {
	if w.pod.Spec.Hostname != "" {
		return w.pod.Spec.Hostname
	}
	return w.pod.Name[:min(len(w.pod.Name), 63)]
}

// field returns the value of a downward API path.
func (w *worker) field(path string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod := w.latest
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return lines(pod.Labels), nil
	case "metadata.annotations":
		return lines(pod.Annotations), nil
	case "spec.nodeName":
		return layout.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return layout.NodeIP, nil
	case "status.podIP", "status.podIPs":
		return w.addressLocked(), nil
	}
	for prefix, from := range map[string]map[string]string{"metadata.labels['": pod.Labels, "metadata.annotations['": pod.Annotations} {
		if key, ok := strings.CutPrefix(path, prefix); ok {
			return from[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("the field %s is not one this node knows", path)
}

func lines(m map[string]string) string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+strconv.Quote(v))
	}
	sort.Strings(out)
	return strings.Join(out, "\n")
}

// resourceField returns a limit or request of the container in units of the
// divisor, rounded up, as the kubelet does. What is not set is the node's
// capacity for a limit and 0 for a request.
func resourceField(c *corev1.Container, ref *corev1.ResourceFieldSelector) (string, error) {
	kind, name, _ := strings.Cut(ref.Resource, ".")
	var list corev1.ResourceList
	switch kind {
	case "limits":
		list = c.Resources.Limits
	case "requests":
		list = c.Resources.Requests
	default:
		return "", fmt.Errorf("the resource %s is neither a limit nor a request", ref.Resource)
	}
	amount, ok := list[corev1.ResourceName(name)]
	if !ok && kind == "limits" {
		amount = map[string]resource.Quantity{"cpu": resource.MustParse("64"), "memory": resource.MustParse("256Gi")}[name]
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if name == "cpu" {
		return strconv.FormatInt(ceil(amount.MilliValue(), divisor.MilliValue()), 10), nil
	}
	return strconv.FormatInt(ceil(amount.Value(), divisor.Value()), 10), nil
}

func ceil(a, b int64) int64 {
	if b <= 0 {
		return a
	}
	return (a + b - 1) / b
}
