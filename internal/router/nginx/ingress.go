package nginx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// prefix of every annotation that these controllers read.
const prefix = "nginx.ingress.kubernetes.io/"

// classAnnotation names the controller where spec.ingressClassName does not.
const classAnnotation = "kubernetes.io/ingress.class"

// The values that the annotations give a meaning to.
const (
	always = "always"
	never  = "never"
)

// annotate returns the canary annotations for s, or what they cannot say.
func annotate(s traffic.Split) (map[string]string, error) {
	stable, canary := object.Shares(s.Canary)
	out := map[string]string{
		prefix + "canary":        "true",
		prefix + "canary-weight": strconv.FormatInt(canary, 10),
	}
	if total := stable + canary; total != 100 {
		out[prefix+"canary-weight-total"] = strconv.FormatInt(total, 10)
	}
	doors, both := map[string]string{}, map[string]bool{} // both: names whose value "always" is in Always
	for _, m := range s.Always {
		if err := annotateAlways(doors, m, both); err != nil {
			return nil, err
		}
	}
	if s.Open {
		maps.Copy(out, doors)
	}
	for _, m := range s.Never {
		kind, f := field(m)
		if f == nil || f.Exact != never || !both[kind+f.Name] {
			return nil, errors.New(`never takes a header or cookie with exact: never that always names with exact: always; leave it out, or choose another router`)
		}
		delete(out, prefix+"canary-by-header-value") // without it, always and never are what the values mean
	}
	return out, nil
}

func field(m traffic.Match) (kind string, f *traffic.Field) {
	if m.Header != nil {
		return "header", m.Header
	}
	return "cookie", m.Cookie
}

// annotateAlways adds one match of always to out.
func annotateAlways(out map[string]string, m traffic.Match, both map[string]bool) error {
	kind, f := field(m)
	if f == nil {
		return errors.New("always is by header or cookie")
	}
	name := prefix + "canary-by-" + kind
	if out[name] != "" {
		return fmt.Errorf("always takes one %s, and there are two: leave %s or %s out", kind, out[name], f.Name)
	}
	out[name] = f.Name
	both[kind+f.Name] = f.Exact == always
	switch value, isRegex := object.Pattern(*f); {
	case kind == "cookie" && f.Exact != always:
		return fmt.Errorf("always by cookie %s needs exact: always, the only value that is understood; write it, or choose another router", f.Name)
	case kind == "cookie":
	case isRegex:
		out[name+"-pattern"] = value
	default:
		out[name+"-value"] = value
	}
	return nil
}

// read returns the user's Ingress.
func (r *Router) read(ctx context.Context) (*networkingv1.Ingress, error) {
	live, err := r.user.Get(ctx)
	if err != nil {
		return nil, err
	}
	if live == nil {
		return nil, fmt.Errorf("%s does not exist: create it, or correct routing.nginx.ingress", r.user)
	}
	out := &networkingv1.Ingress{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, out); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.user, err)
	}
	return out, nil
}

// spec returns that of the canary Ingress: the user's hosts and paths that lead
// to the workload. There is no TLS in it: the user's Ingress has that.
func (r *Router) spec(user *networkingv1.Ingress) (any, error) {
	out := networkingv1.IngressSpec{IngressClassName: user.Spec.IngressClassName}
	for _, rule := range user.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		http := &networkingv1.HTTPIngressRuleValue{}
		for _, path := range rule.HTTP.Paths {
			if !r.leads(path.Backend) {
				continue
			}
			path = *path.DeepCopy()
			path.Backend.Service.Name = r.rollout.CanaryService()
			http.Paths = append(http.Paths, path)
		}
		if len(http.Paths) > 0 {
			rule.HTTP = http
			out.Rules = append(out.Rules, rule)
		}
	}
	if len(out.Rules) == 0 {
		return nil, fmt.Errorf("no path leads to service %s or %s: point one there, or correct workload.service",
			r.rollout.Spec.Workload.Service, r.rollout.StableService())
	}
	return object.JSON(out)
}

func (r *Router) leads(b networkingv1.IngressBackend) bool {
	return b.Service != nil && (b.Service.Name == r.rollout.Spec.Workload.Service || b.Service.Name == r.rollout.StableService())
}

// pinned returns why the user's Ingress does not lead to stable alone, "" if it
// does, and makes it known.
func (r *Router) pinned(ctx context.Context) (string, error) {
	user, err := r.read(ctx)
	if err != nil {
		return "", err
	}
	why := ""
	for _, rule := range user.Spec.Rules {
		if rule.HTTP == nil || why != "" {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			if !r.leads(path.Backend) || path.Backend.Service.Name == r.rollout.StableService() {
				continue
			}
			if why, err = r.mixes(ctx, path.Backend.Service.Name); err != nil {
				return "", err
			}
		}
	}
	r.refused.Set(why)
	return why, nil
}

// Leaving implements cluster.Leaver: the user's Ingress may lead to the stable
// arm's Service.
func (r *Router) Leaving(ctx context.Context) (string, error) {
	live, err := r.user.Get(ctx)
	if err != nil || live == nil || r.rollout.Spec.Workload.Pair != nil {
		return "", err
	}
	user, err := r.read(ctx)
	if err != nil {
		return "", err
	}
	for _, rule := range user.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			if s := path.Backend.Service; s != nil && s.Name == r.rollout.StableService() {
				return fmt.Sprintf("Ingress %s leads to Service %s, which ends with the rollout: let its paths lead to Service %s, or set onDelete: Keep",
					user.Name, s.Name, r.rollout.Spec.Workload.Service), nil
			}
		}
	}
	return "", nil
}

// mixes says so if a Service selects the candidate's pods.
func (r *Router) mixes(ctx context.Context, name string) (string, error) {
	svc, dep := &corev1.Service{}, &appsv1.Deployment{}
	w := r.rollout.Spec.Workload
	for _, get := range []struct {
		name string
		into client.Object
	}{{name, svc}, {w.Name, dep}} {
		err := r.rollout.Client.Get(ctx, client.ObjectKey{Namespace: r.rollout.Namespace, Name: get.name}, get.into)
		if client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("read %s/%s: %w", r.rollout.Namespace, get.name, err)
		}
		if err != nil {
			return "", nil // what is not there selects nothing
		}
	}
	if len(svc.Spec.Selector) == 0 || !labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(dep.Spec.Template.Labels)) {
		return "", nil
	}
	return fmt.Sprintf("it leads to service %s, which selects the candidate's pods too, so that they get requests past the split: let its paths lead to service %s",
		name, r.rollout.StableService()), nil
}
