package fleetrouter

import (
	"context"
	"fmt"
	"net"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload/deployment"
	"github.com/haldane-dev/haldane/internal/workload/elsewhere"
)

// doors is where the arms are served at one look.
type doors struct {
	arms     [traffic.NumArms]fleet.Door
	revision string // of the candidate that its Service leads to; "" if to none
	variants map[string]fleet.Door
}

// doors reads where the arms are. What the candidate is goes by the pods that
// its Service selects, not by its Deployment, which may have been edited since.
func (r *Router) doors(ctx context.Context) (doors, error) {
	var d doors
	if r.flag() != nil {
		return r.elsewhere(ctx)
	}
	port, err := object.Port(ctx, r.rollout, "http")
	if err != nil {
		return d, err
	}
	for arm, host := range []string{r.rollout.StableService(), r.rollout.CanaryService()} {
		d.arms[arm].URL = "http://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	d.variants = r.variants(ctx, port)
	w := r.rollout.Spec.Workload
	stable, candidate, service := &appsv1.Deployment{}, &appsv1.Deployment{}, &corev1.Service{}
	if _, err := r.find(ctx, w.StableName, stable); err != nil {
		return d, err
	}
	if _, err := r.find(ctx, w.Name, candidate); err != nil {
		return d, err
	}
	if _, err := r.find(ctx, r.rollout.CanaryService(), service); err != nil {
		return d, err
	}
	d.arms[traffic.Stable].Version = deployment.Version(&stable.Spec.Template)
	pinned := service.Spec.Selector[appsv1.DefaultDeploymentUniqueLabelKey]
	if pinned == "" {
		return d, nil
	}
	d.revision = pinned
	if config := candidate.Annotations[deployment.AnnotationConfig]; config != "" {
		d.revision += "." + config
	}
	d.arms[traffic.Canary].Version, err = r.candidateVersion(ctx, d, candidate)
	return d, err
}

// elsewhere is doors by flag: what the arms are, for none of them is served.
func (r *Router) elsewhere(ctx context.Context) (doors, error) {
	var d doors
	arms, err := elsewhere.Read(ctx, r.rollout.Notes)
	if err != nil {
		return d, err
	}
	for arm, x := range arms {
		d.arms[arm] = fleet.Door{Version: x.Version, Value: x.Value}
	}
	d.revision = arms[traffic.Canary].Hash
	return d, nil
}

// variants reads where the further arms of an experiment are. One whose Service
// cannot be read is where stable's port would be: its workload is not ready then,
// and nobody is sent to it.
func (r *Router) variants(ctx context.Context, port int32) map[string]fleet.Door {
	out := map[string]fleet.Door{}
	for name, v := range r.rollout.Spec.Workload.Variants {
		at := port
		if own, err := object.PortOf(ctx, r.rollout, v.Service, "http"); err == nil {
			at = own
		}
		out[name] = fleet.Door{URL: "http://" + net.JoinHostPort(v.Service, strconv.Itoa(int(at))), Version: v.Version}
	}
	return out
}

// candidateVersion is the name that the candidate had when its pods were
// selected: while they are, an edit of the Deployment changes nothing.
func (r *Router) candidateVersion(ctx context.Context, d doors, candidate *appsv1.Deployment) (string, error) {
	live, err := r.table.Get(ctx)
	if err != nil {
		return "", err
	}
	if now, err := fleet.Decode(tableOf(live)); err == nil && now.Revision == d.revision {
		return now.Arms[traffic.Canary].Version, nil
	}
	version := deployment.Version(&candidate.Spec.Template)
	if version == d.arms[traffic.Stable].Version {
		version += "-" + d.revision[:min(7, len(d.revision))]
	}
	return version, nil
}

// find reads an object from the cache, and reports whether there is one.
func (r *Router) find(ctx context.Context, name string, into client.Object) (bool, error) {
	err := r.rollout.Client.Get(ctx, r.key(name), into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %T %s/%s: %w", into, r.rollout.Namespace, name, err)
	}
	return true, nil
}

// render is the table for a split.
func (r *Router) render(d doors, s traffic.Split) (object.Content, error) {
	doc := fleet.Document{Rollout: r.rollout.ID(), Revision: d.revision, Split: s, Arms: d.arms, Load: fleet.NewLoad(r.cfg.Load), Flag: r.flag() != nil}
	for _, v := range s.Variants {
		door, ok := d.variants[v.Name]
		if !ok {
			return object.Content{}, fmt.Errorf("the arm %s is none of spec.workload.variants", v.Name)
		}
		doc.Variants = append(doc.Variants, door)
	}
	for _, c := range r.rollout.Spec.Routing.Cohorts {
		if doc.Cohorts == nil {
			doc.Cohorts = map[string][]string{}
		}
		doc.Cohorts[c.Name] = c.Keys
	}
	text, err := doc.Encode()
	if err != nil {
		return object.Content{}, err
	}
	value, err := object.JSON(v1alpha1.GatewayTableSpec{
		Generation: int64(s.Generation), Canary: s.Canary.String(), Mirror: s.Mirror.String(), Table: text,
	})
	return object.Content{Value: value}, err
}

// tableOf is the table that live holds, "" if there is none.
func tableOf(live *unstructured.Unstructured) string {
	if live == nil {
		return ""
	}
	text, _, _ := unstructured.NestedString(live.Object, "spec", "table")
	return text
}
