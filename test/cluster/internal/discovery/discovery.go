package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
)

const prefix = "__meta_kubernetes_"

// Group is one target with its labels, in the form Prometheus takes.
type Group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// Handler answers with every pod that has an address.
type Handler struct{ pods corelisters.PodLister }

// New watches pods until ctx ends and returns once it has seen them all.
func New(ctx context.Context, client kubernetes.Interface) (*Handler, error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	h := &Handler{pods: factory.Core().V1().Pods().Lister()}
	factory.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return nil, fmt.Errorf("watch %v for Prometheus: %w", kind, ctx.Err())
		}
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	pods, err := h.pods.List(labels.Everything())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	groups := []Group{} // an empty list, not null, when there are none
	for _, p := range pods {
		groups = append(groups, targets(p)...)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(groups)
}

// targets are the pod's containers' ports; a container without ports is one
// target at the bare address.
func targets(p *corev1.Pod) []Group {
	if p.Status.PodIP == "" {
		return nil
	}
	var out []Group
	for _, c := range p.Spec.Containers {
		base := podLabels(p)
		base[prefix+"pod_container_name"] = c.Name
		base[prefix+"pod_container_image"] = c.Image
		base[prefix+"pod_container_init"] = "false"
		if len(c.Ports) == 0 {
			out = append(out, Group{Targets: []string{p.Status.PodIP}, Labels: base})
		}
		for _, port := range c.Ports {
			number := strconv.Itoa(int(port.ContainerPort))
			own := map[string]string{
				prefix + "pod_container_port_number":   number,
				prefix + "pod_container_port_name":     port.Name,
				prefix + "pod_container_port_protocol": string(port.Protocol),
			}
			for k, v := range base {
				own[k] = v
			}
			out = append(out, Group{Targets: []string{net.JoinHostPort(p.Status.PodIP, number)}, Labels: own})
		}
	}
	return out
}

func podLabels(p *corev1.Pod) map[string]string {
	out := map[string]string{
		prefix + "namespace":     p.Namespace,
		prefix + "pod_name":      p.Name,
		prefix + "pod_uid":       string(p.UID),
		prefix + "pod_ip":        p.Status.PodIP,
		prefix + "pod_host_ip":   p.Status.HostIP,
		prefix + "pod_node_name": p.Spec.NodeName,
		prefix + "pod_phase":     string(p.Status.Phase),
		prefix + "pod_ready":     "unknown",
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			out[prefix+"pod_ready"] = map[bool]string{true: "true", false: "false"}[c.Status == corev1.ConditionTrue]
		}
	}
	if owner := metav1.GetControllerOf(p); owner != nil {
		out[prefix+"pod_controller_kind"], out[prefix+"pod_controller_name"] = owner.Kind, owner.Name
	}
	for kind, of := range map[string]map[string]string{"label": p.Labels, "annotation": p.Annotations} {
		for k, v := range of {
			out[prefix+"pod_"+kind+"_"+labelName(k)] = v
			out[prefix+"pod_"+kind+"present_"+labelName(k)] = "true"
		}
	}
	return out
}

var invalid = regexp.MustCompile(`[^a-zA-Z0-9_]`)

func labelName(s string) string { return invalid.ReplaceAllString(s, "_") }
