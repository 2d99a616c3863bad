package app

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ownContainer is what the manifests and the chart call the controller's.
const ownContainer = "controller"

// ownImage is the image of the pod that this process runs in, "" if it runs in
// none or may not know: then rollouts that need it are refused, and told why.
func ownImage(ctx context.Context, api client.Reader, log *slog.Logger) string {
	text, err := os.ReadFile(ownNamespace)
	if err != nil {
		return "" // not in a pod
	}
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	image, err := imageOf(ctx, api, strings.TrimSpace(string(text)), name)
	if err != nil {
		log.Info("the controller does not know its own image: rollouts by routing.gateway need --gateway-image", "pod", name, "error", err)
	}
	return image
}

// imageOf is the image of a pod's controller, or of its first container. Pods
// are listed, which the controller may do, and not read by name.
func imageOf(ctx context.Context, api client.Reader, namespace, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var pods corev1.PodList
	if err := api.List(ctx, &pods, client.InNamespace(namespace), client.MatchingFields{"metadata.name": name}); err != nil {
		return "", err
	}
	for _, p := range pods.Items {
		if p.Name != name || len(p.Spec.Containers) == 0 {
			continue
		}
		at := slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == ownContainer })
		return p.Spec.Containers[max(at, 0)].Image, nil
	}
	return "", nil
}
