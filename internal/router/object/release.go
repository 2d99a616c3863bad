package object

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
)

// Release deletes an object of Haldane's own and gives back one that was
// adopted, saying what it said before. What was never applied, and what
// belongs to another rollout by now, is left alone.
func (k *Keeper) Release(ctx context.Context, t router.Target) error {
	n, err := k.readNote(ctx)
	if err != nil || n == nil {
		return err
	}
	live, err := k.get(ctx, k.Rollout.Reader)
	if err != nil {
		return err
	}
	if live != nil {
		switch err := k.Rollout.MayWrite(live, t.Sequence); {
		case errors.Is(err, cluster.ErrClaimed):
			live = nil
		case err != nil:
			return fmt.Errorf("release %s: %w", k.Kind.Kind, err)
		}
	}
	switch {
	case live == nil:
	case n.Adopted:
		err = k.restore(ctx, live, n)
	default:
		err = k.remove(ctx, live)
	}
	if err != nil {
		return err
	}
	k.wrote = false
	return k.putNote(ctx, nil)
}

// Remove deletes an object of Haldane's own for as long as it is not wanted.
// That it is Haldane's is not forgotten: Release still knows.
func (k *Keeper) Remove(ctx context.Context, t router.Target) error {
	cached, err := k.Get(ctx)
	if err != nil || cached == nil && !k.wrote {
		return err
	}
	live, err := k.get(ctx, k.Rollout.Reader) // the cache may not know yet what was written a moment ago
	if err != nil {
		return err
	}
	if live == nil {
		k.wrote = false
		return nil
	}
	n, err := k.readNote(ctx)
	if err != nil {
		return err
	}
	if err := k.mayWrite(live, n, t); err != nil {
		return err
	}
	k.wrote = false
	return k.remove(ctx, live)
}

func (k *Keeper) remove(ctx context.Context, live *unstructured.Unstructured) error {
	uid, version := live.GetUID(), live.GetResourceVersion()
	err := k.Rollout.Client.Delete(ctx, live, client.Preconditions{UID: &uid, ResourceVersion: &version})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", k, err)
	}
	return nil
}

// restore puts back what was there and then lets go of it: fields that Haldane
// still owned would be conflicts for their owner's next server-side apply.
func (k *Keeper) restore(ctx context.Context, live *unstructured.Unstructured, n *note) error {
	base, err := n.base()
	if err != nil {
		return fmt.Errorf("%s: %w", k, err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(k.Kind)
	u.SetNamespace(k.Rollout.Namespace)
	u.SetName(k.Name)
	u.SetResourceVersion(live.GetResourceVersion())
	if base != nil {
		if err := unstructured.SetNestedField(u.Object, base, k.Field...); err != nil {
			return fmt.Errorf("restore %s: %w", k, err)
		}
	}
	if _, err := k.apply(ctx, u); err != nil { // without the marks: those that it had are gone
		return err
	}
	return k.letGo(ctx)
}

// letGo gives up the fields that Haldane owns, without a change of what they
// say. The data plane may be writing its status meanwhile.
func (k *Keeper) letGo(ctx context.Context) error {
	mine := func(f metav1.ManagedFieldsEntry) bool { return f.Manager == cluster.FieldManager }
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := k.get(ctx, k.Rollout.Reader)
		if err != nil || live == nil || !slices.ContainsFunc(live.GetManagedFields(), mine) {
			return err
		}
		live.SetManagedFields(slices.DeleteFunc(live.GetManagedFields(), mine))
		if err := k.Rollout.Client.Update(ctx, live, client.FieldOwner(cluster.FieldManager)); err != nil {
			return fmt.Errorf("let go of %s: %w", k, err)
		}
		return nil
	})
}
