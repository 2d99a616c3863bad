package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// perNamespace is how many rollouts share a namespace.
const perNamespace = 100

// around is what all rollouts share.
const around = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: bench}
spec: {controllerName: haldane.dev/bench}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: default}
spec:
  gatewayClassName: bench
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
`

// one is a rollout as its user writes it, with everything else as it is by
// default: steps of 5, 25, 50 and 100%, error rate and latency.
const one = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: SPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: model
        image: "churn:v1"
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /v2/health/ready, port: http}, periodSeconds: 1}
        resources: {requests: {cpu: "2", memory: 4Gi}, limits: {memory: 8Gi}}
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: SPACE}
spec:
  selector: {app: NAME}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: NAME, namespace: SPACE}
spec:
  workload: {name: NAME}
  routing: {gatewayAPI: {httpRoute: NAME, gateways: [{name: public, namespace: default}]}}
  strategy: {canary: {}}
  analysis:
    warmup: WARMUP
    source:
      prometheus:
        address: ADDRESS
        preset: traefik
        match: {rollout: NAME}
        armBy: {label: arm, stable: stable, canary: canary}
        scrapeInterval: SCRAPE
`

// rolloutName and space say what the i-th rollout is called and where it is.
func rolloutName(i int) string { return fmt.Sprintf("model-%04d", i) }
func space(i int) string       { return fmt.Sprintf("team-%02d", i/perNamespace) }

// each calls f for n rollouts, some at a time.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range n {
		group.Go(func() error { return f(ctx, i) })
	}
	return group.Wait()
}

// patiently calls f again while the API server has too much to do.
func patiently(ctx context.Context, f func() error) error {
	var last error
	err := eventually(ctx, func() (bool, error) {
		last = f()
		return !(apierrors.IsTimeout(last) || apierrors.IsServerTimeout(last) || apierrors.IsTooManyRequests(last) || apierrors.IsInternalError(last)), nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return last
}

// create creates what manifests say.
func (w *world) create(ctx context.Context, manifests string) error {
	for _, text := range strings.Split(manifests, "\n---\n") {
		var u unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			return fmt.Errorf("read a manifest: %w", err)
		}
		err := patiently(ctx, func() error { return w.api.Create(ctx, u.DeepCopy()) })
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// begin creates n rollouts with version v1, and waits until each rests.
func (w *world) begin(ctx context.Context, n int, o options) error {
	if err := w.create(ctx, around); err != nil {
		return err
	}
	for i := 0; i < n; i += perNamespace {
		if err := w.create(ctx, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+space(i)+"}"); err != nil {
			return err
		}
	}
	err := each(ctx, n, func(ctx context.Context, i int) error {
		return w.create(ctx, strings.NewReplacer("NAME", rolloutName(i), "SPACE", space(i),
			"WARMUP", o.warmup.String(), "ADDRESS", w.address, "SCRAPE", o.scrape.String()).Replace(one))
	})
	if err != nil {
		return err
	}
	return w.await(ctx, n, "rest", func(s v1alpha1.ModelRolloutStatus) bool {
		return s.Phase == "Idle" && s.Stable.Ready && s.Weight.Level == "Accepted"
	})
}

// release gives each rollout a candidate and waits until it has its first share
// of the traffic.
func (w *world) release(ctx context.Context, n int) error {
	err := each(ctx, n, func(ctx context.Context, i int) error {
		d := appsv1.Deployment{}
		d.Namespace, d.Name = space(i), rolloutName(i)
		patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"model","image":"churn:v2"}]}}}}`)
		return patiently(ctx, func() error {
			return w.api.Patch(ctx, &d, client.RawPatch(types.StrategicMergePatchType, patch))
		})
	})
	if err != nil {
		return fmt.Errorf("edit the Deployments: %w", err)
	}
	return w.await(ctx, n, "be in progress", func(s v1alpha1.ModelRolloutStatus) bool {
		return s.Phase == "Progressing" && s.Weight.Observed == "5%" && s.Weight.Level == "Accepted"
	})
}

// await waits until all n rollouts are as ok wants them.
func (w *world) await(ctx context.Context, n int, what string, ok func(v1alpha1.ModelRolloutStatus) bool) error {
	var last v1alpha1.ModelRollout
	left := n
	err := eventually(ctx, func() (bool, error) {
		var all v1alpha1.ModelRolloutList
		if err := w.api.List(ctx, &all); err != nil {
			return false, fmt.Errorf("list the rollouts: %w", err)
		}
		left = n
		for _, m := range all.Items {
			if ok(m.Status) {
				left--
			} else {
				last = m
			}
		}
		return left == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%d of %d rollouts do not %s, such as %s, %s, waiting: %q, warnings: %q: %w",
			left, n, what, last.Name, last.Status.Phase, last.Status.Waiting, last.Status.Warnings, err)
	}
	return nil
}
