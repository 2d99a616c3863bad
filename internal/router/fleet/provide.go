package fleetrouter

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
)

// secretEvery is how often it is made sure that the Secret is there while
// gateways are missing.
const secretEvery = 30 * time.Second

// annotationPart is the digest of what was written on an object: another means
// that the wish has changed, and the same with other contents that somebody
// else has changed the object.
const annotationPart = "haldane.dev/written"

// provide brings everything around the table to what is wanted.
func (r *Router) provide(ctx context.Context, t router.Target) error {
	live, err := r.table.Get(ctx)
	if err == nil && live == nil { // the cache does not know yet what was written a moment ago
		live = &unstructured.Unstructured{}
		live.SetGroupVersionKind(Table)
		if err = r.rollout.Reader.Get(ctx, r.key(r.name), live); err != nil {
			err = fmt.Errorf("read %s: %w", r.table, err)
		}
	}
	if err != nil {
		return err
	}
	secret, err := r.makeSecret(ctx, live)
	if err != nil {
		return err
	}
	port := r.listen
	if r.flag() == nil {
		if port, err = object.Port(ctx, r.rollout, "http"); err != nil {
			return err
		}
	}
	for _, p := range r.parts(secret, port) {
		if err := r.part(ctx, t, p); err != nil {
			return err
		}
	}
	return nil
}

// makeSecret makes the Secret with the key of prediction IDs, once for each
// table. It is named after the table, which owns it, so that it need not be read
// to know whose it is, and is not confused with that of a table before.
func (r *Router) makeSecret(ctx context.Context, table *unstructured.Unstructured) (name string, err error) {
	name = r.name + "-" + fleet.Digest(string(table.GetUID()))[:8]
	r.mu.Lock()
	known, at := r.secretOf, r.secretAt
	r.mu.Unlock()
	now := r.cfg.Now()
	if known == name && (now.Sub(at) < secretEvery || r.allReady(ctx)) {
		return name, nil
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	s := &corev1.Secret{
		ObjectMeta: r.about(name), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{keyName: key},
	}
	s.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: Table.GroupVersion().String(), Kind: Table.Kind, Name: table.GetName(), UID: table.GetUID(),
	}}
	err = r.rollout.Client.Create(ctx, s, client.FieldOwner(cluster.FieldManager))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("make the Secret %s/%s with the key of prediction IDs: %w", r.rollout.Namespace, name, err)
	}
	r.mu.Lock()
	r.secretOf, r.secretAt = name, now
	r.mu.Unlock()
	return name, nil
}

// allReady reports whether no gateway is missing, as far as the cache knows.
func (r *Router) allReady(ctx context.Context) bool {
	d := &appsv1.Deployment{}
	there, err := r.find(ctx, r.name, d)
	return err == nil && there && d.Status.ReadyReplicas >= r.fleet.Replicas
}

// part brings one object to what is wanted. What others have added to it stays.
func (r *Router) part(ctx context.Context, t router.Target, want client.Object) error {
	digest := object.Digest(want)
	for _, fresh := range []bool{false, true} {
		var from client.Reader = r.rollout.Client
		if fresh {
			from = r.rollout.Reader
		}
		live, err := r.live(ctx, from, want)
		if err != nil {
			return err
		}
		written := live != nil && live.GetAnnotations()[annotationPart] == digest
		same := false
		if live != nil {
			if same, err = like(want, live); err != nil {
				return err
			}
		}
		if written && same && live.GetAnnotations()[cluster.AnnotationOwner] == r.rollout.UID {
			return nil
		}
		if !fresh {
			continue // the cache may be old: what is written is decided by the API server's own answer
		}
		if live != nil {
			if err := r.mayWrite(live, want, t); err != nil {
				return err
			}
			if written && !same {
				r.edits.Edited(kindOf(want)+" "+r.rollout.Namespace+"/"+want.GetName(), "")
			}
		}
		return r.write(ctx, t, want, live, digest)
	}
	return nil
}

var errNotOurs = errors.New("exists and is not Haldane's: choose another name (fleet.service of spec.routing)")

func (r *Router) mayWrite(live, want client.Object, t router.Target) error {
	what := kindOf(want)
	if live.GetAnnotations()[cluster.AnnotationOwner] == "" {
		return fmt.Errorf("%s %s/%s %w", what, r.rollout.Namespace, want.GetName(), errNotOurs)
	}
	if err := r.rollout.MayWrite(live, t.Sequence); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

func kindOf(o client.Object) string { return o.GetObjectKind().GroupVersionKind().Kind }

// live reads the object that want describes, nil if there is none.
func (r *Router) live(ctx context.Context, from client.Reader, want client.Object) (client.Object, error) {
	live := reflect.New(reflect.TypeOf(want).Elem()).Interface().(client.Object)
	err := from.Get(ctx, client.ObjectKeyFromObject(want), live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s/%s: %w", kindOf(want), want.GetNamespace(), want.GetName(), err)
	}
	return live, nil
}

// like reports whether live says what want says. What the API server has filled
// in and what others have added is no difference.
func like(want, live client.Object) (bool, error) {
	var said [2]map[string]any
	for i, o := range []client.Object{want, live} {
		u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			return false, fmt.Errorf("compare %s: %w", kindOf(want), err)
		}
		said[i] = map[string]any{"labels": u["metadata"].(map[string]any)["labels"], "spec": u["spec"]}
	}
	return covers(said[0], said[1]), nil
}

// covers reports whether live has every value of want, in maps and at the
// beginning of lists.
func covers(want, live any) bool {
	switch w := want.(type) {
	case nil:
		return true
	case map[string]any:
		l, ok := live.(map[string]any)
		for k, v := range w {
			if !ok || !covers(v, l[k]) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok && len(w) > 0 || len(l) < len(w) {
			return false
		}
		for i, v := range w {
			if !covers(v, l[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(want, live)
}

func (r *Router) write(ctx context.Context, t router.Target, want, live client.Object, digest string) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(want)
	if err != nil {
		return fmt.Errorf("write %s: %w", kindOf(want), err)
	}
	u := &unstructured.Unstructured{Object: content}
	unstructured.RemoveNestedField(u.Object, "status")
	if live != nil {
		u.SetResourceVersion(live.GetResourceVersion())
	}
	u.SetAnnotations(map[string]string{annotationPart: digest})
	r.rollout.Stamp(u, t.Sequence, true)
	err = r.rollout.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(cluster.FieldManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("write %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	return nil
}

// remove deletes an object that is this rollout's.
func (r *Router) remove(ctx context.Context, t router.Target, part client.Object) error {
	live, err := r.live(ctx, r.rollout.Reader, part)
	if err != nil || live == nil || live.GetAnnotations()[cluster.AnnotationOwner] != r.rollout.UID {
		return err
	}
	if err := r.rollout.MayWrite(live, t.Sequence); err != nil {
		return fmt.Errorf("delete %s: %w", kindOf(part), err)
	}
	uid, version := live.GetUID(), live.GetResourceVersion()
	err = r.rollout.Client.Delete(ctx, live, client.Preconditions{UID: &uid, ResourceVersion: &version})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s %s/%s: %w", kindOf(part), part.GetNamespace(), part.GetName(), err)
	}
	return nil
}
