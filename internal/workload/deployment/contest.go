package deployment

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// contestedAfter is how many rewrites of the candidate's replicas by somebody
// else make a fight; contestedFor how long after the last it is over.
const (
	contestedAfter = 2
	contestedFor   = 10 * time.Minute
)

// contest is who else wants to set the candidate's replicas.
type contest struct {
	now        bool
	rewrites   int
	by         string // who wrote them last, if that is known
	autoscaler *autoscaler
}

// autoscaler is one that targets a Deployment.
type autoscaler struct {
	kind, name string
	patch      string // makes it target stable
}

func (w *Workload) contested(ctx context.Context, d *appsv1.Deployment) (contest, error) {
	var c contest
	n, last, by := rewritten(d)
	if wrote(d) != replicas(d) {
		n, last, by = n+1, w.now(), scaler(d)
	}
	if w.now().Sub(last) < contestedFor {
		c.rewrites, c.by = n, by
	}
	all, err := w.autoscalers(ctx, d.Name)
	if len(all) > 0 {
		c.autoscaler = &all[0]
	}
	c.now = c.rewrites >= contestedAfter || c.autoscaler != nil
	return c, err
}

// noteRewrite counts a rewrite that is about to be undone.
func (w *Workload) noteRewrite(d *appsv1.Deployment) {
	n, last, _ := rewritten(d)
	if wrote(d) == replicas(d) {
		return
	}
	if w.now().Sub(last) >= contestedFor {
		n = 0
	}
	annotate(d, AnnotationContested, strings.TrimSpace(fmt.Sprintf("%d %s %s", n+1, w.now().UTC().Format(time.RFC3339), scaler(d))))
}

// wrote is the number of replicas that Haldane wrote last, or that are there if
// it wrote none.
func wrote(d *appsv1.Deployment) int32 {
	n, err := strconv.ParseInt(d.Annotations[AnnotationWrote], 10, 32)
	if err != nil {
		return replicas(d)
	}
	return int32(n)
}

// rewritten reads AnnotationContested.
func rewritten(d *appsv1.Deployment) (n int, last time.Time, by string) {
	words := strings.SplitN(d.Annotations[AnnotationContested], " ", 3)
	n, _ = strconv.Atoi(words[0])
	if len(words) > 1 {
		last, _ = time.Parse(time.RFC3339, words[1])
	}
	if len(words) > 2 {
		by = words[2]
	}
	return n, last, by
}

// scaler is who else owns the number of replicas, "" if that is not known.
func scaler(d *appsv1.Deployment) string {
	for _, m := range d.ManagedFields {
		if m.Manager != fieldManager && m.FieldsV1 != nil && strings.Contains(m.FieldsV1.GetRawString(), `"f:replicas"`) && m.Subresource != "status" {
			return m.Manager
		}
	}
	return ""
}

var scaledObjects = schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObjectList"}

// autoscalers lists those that target the Deployment of a name. What may not
// be read, or is not installed, is not there.
func (w *Workload) autoscalers(ctx context.Context, name string) ([]autoscaler, error) {
	var out []autoscaler
	var hpas autoscalingv2.HorizontalPodAutoscalerList
	if err := w.r.Client.List(ctx, &hpas, client.InNamespace(w.r.Namespace)); absent(err) != nil {
		return nil, fmt.Errorf("list HorizontalPodAutoscalers: %w", err)
	}
	for _, h := range hpas.Items {
		// One that KEDA made follows its ScaledObject.
		if ref := h.Spec.ScaleTargetRef; ref.Kind == "Deployment" && ref.Name == name && !madeByKEDA(&h) {
			out = append(out, autoscaler{"HorizontalPodAutoscaler", h.Name, fmt.Sprintf(
				`kubectl -n %s patch hpa %s --type merge -p '{"spec":{"scaleTargetRef":{"name":"%s"}}}'`, w.r.Namespace, h.Name, w.spec().StableName)})
		}
	}
	objects := &unstructured.UnstructuredList{}
	objects.SetGroupVersionKind(scaledObjects)
	if err := w.kinds.list(ctx, w.r.Client, objects, w.r.Namespace, w.now()); err != nil {
		return nil, err
	}
	for _, o := range objects.Items {
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "kind")
		target, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "name")
		if (kind == "" || kind == "Deployment") && target == name {
			out = append(out, autoscaler{"ScaledObject", o.GetName(), fmt.Sprintf(
				`kubectl -n %s patch scaledobject %s --type merge -p '{"spec":{"scaleTargetRef":{"name":"%s"}}}'`, w.r.Namespace, o.GetName(), w.spec().StableName)})
		}
	}
	return out, nil
}

func madeByKEDA(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	for _, o := range h.OwnerReferences {
		if o.Kind == "ScaledObject" {
			return true
		}
	}
	return false
}

// absent drops errors that mean there is nothing of that kind to be read.
func absent(err error) error {
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	return err
}
