package object

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Keeper holds one field of one object at what is wanted. Its fields are set
// before use and not changed.
type Keeper struct {
	Rollout cluster.Rollout
	Kind    schema.GroupVersionKind
	Name    string // of the object, in the rollout's namespace
	// Field is the path of what Haldane owns: spec of an object of its own, a
	// list below it of one that is adopted.
	Field []string
	// Adopt takes over the field of an object that exists. Otherwise the object
	// is made and deleted.
	Adopt bool
	// Prefix of annotations that are Haldane's too, "" for none.
	Prefix  string
	Contest *Contest

	wrote bool // by this process: what is gone since was taken away
}

// Content is what an object should say.
type Content struct {
	Value       any               `json:"value"` // of the field, as JSON values (see JSON)
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Render returns what the object should say for a split. base is what the
// field said before it was adopted, nil for an object of Haldane's own.
type Render func(base any, s traffic.Split) (Content, error)

// String names the object as people do: HTTPRoute shop/churn.
func (k *Keeper) String() string {
	return k.Kind.Kind + " " + k.Rollout.Namespace + "/" + k.Name
}

// Get returns the object as the cache has it, nil if there is none.
func (k *Keeper) Get(ctx context.Context) (*unstructured.Unstructured, error) {
	return k.get(ctx, k.Rollout.Client)
}

func (k *Keeper) get(ctx context.Context, r client.Reader) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(k.Kind)
	err := r.Get(ctx, client.ObjectKey{Namespace: k.Rollout.Namespace, Name: k.Name}, u)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case meta.IsNoMatchError(err):
		return nil, fmt.Errorf("%s: this cluster has no %s: install its definition, or choose another router: %w", k, k.Kind.GroupKind(), err)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", k, err)
	}
	return u, nil
}

// Value returns the field of live, nil if it is not there.
func (k *Keeper) Value(live *unstructured.Unstructured) any {
	if live == nil {
		return nil
	}
	v, found, err := unstructured.NestedFieldNoCopy(live.Object, k.Field...)
	if err != nil || !found {
		return nil
	}
	return v
}

// content returns what live says of what is Haldane's.
func (k *Keeper) content(live *unstructured.Unstructured) Content {
	c := Content{Value: k.Value(live)}
	for name, value := range live.GetAnnotations() {
		if k.Prefix == "" || !strings.HasPrefix(name, k.Prefix) {
			continue
		}
		if c.Annotations == nil {
			c.Annotations = map[string]string{}
		}
		c.Annotations[name] = value
	}
	return c
}

// Intact returns the mark of live, and whether the field is as it was written.
// live may be nil.
func (k *Keeper) Intact(live *unstructured.Unstructured) (Mark, bool) {
	if live == nil || live.GetAnnotations()[cluster.AnnotationOwner] != k.Rollout.UID {
		return Mark{}, false
	}
	m, ok := ReadMark(live)
	return m, ok && m.Stored == Digest(k.content(live))
}

// Base returns what the field said before it was adopted, or says now if it has
// not been adopted yet; nil for an object of Haldane's own.
func (k *Keeper) Base(ctx context.Context) (any, error) {
	if !k.Adopt {
		return nil, nil
	}
	n, err := k.readNote(ctx)
	if err != nil {
		return nil, err
	}
	if n != nil {
		return n.base()
	}
	live, err := k.Get(ctx)
	if err != nil {
		return nil, err
	}
	if live == nil {
		return nil, fmt.Errorf("%s: %w", k, errNothingToAdopt)
	}
	return k.Value(live), nil
}

var (
	errNothingToAdopt = errors.New("does not exist: adopt takes over one that does; create it, or leave adopt out")
	errNotOurs        = errors.New("exists and is not Haldane's: choose another name, or write adopt: true to take it over")
	errForgotten      = errors.New("was adopted before, and what it said then is not known: put back what it should say, and remove its annotation " + AnnotationSplit)
)

// Apply makes the field what render returns for s. While the route is
// contested that is everything to stable, and the error is ErrContested.
func (k *Keeper) Apply(ctx context.Context, t router.Target, s traffic.Split, render Render) error {
	n, err := k.readNote(ctx)
	if err != nil {
		return err
	}
	for _, from := range []client.Reader{k.Rollout.Client, k.Rollout.Reader} {
		live, err := k.get(ctx, from)
		if err != nil {
			return err
		}
		fresh := from == k.Rollout.Reader
		if err := k.mayWrite(live, n, t); err != nil && fresh {
			return err
		}
		done, err := k.settled(live, n, s, render)
		if done && err == nil && k.Contest.Err() == nil {
			k.wrote = true
			return nil
		}
		if !fresh {
			continue // the cache may be old: what is written is decided by the API server's own answer
		}
		if err != nil {
			return err
		}
		return k.bring(ctx, live, n, t, s, render)
	}
	return nil
}

// mayWrite refuses an object that is somebody else's.
func (k *Keeper) mayWrite(live *unstructured.Unstructured, n *note, t router.Target) error {
	if live == nil {
		if k.Adopt {
			return fmt.Errorf("%s: %w", k, errNothingToAdopt)
		}
		return nil
	}
	owner := live.GetAnnotations()[cluster.AnnotationOwner]
	if !k.Adopt && owner == "" && n == nil {
		return fmt.Errorf("%s: %w", k, errNotOurs)
	}
	if err := k.Rollout.MayWrite(live, t.Sequence); err != nil {
		return fmt.Errorf("write %s: %w", k.Kind.Kind, err)
	}
	if _, marked := ReadMark(live); k.Adopt && n == nil && marked {
		return fmt.Errorf("%s: %w", k, errForgotten)
	}
	return nil
}

// settled reports whether live is what s wants.
func (k *Keeper) settled(live *unstructured.Unstructured, n *note, s traffic.Split, render Render) (bool, error) {
	if live == nil || n == nil {
		return false, nil
	}
	m, intact := k.Intact(live)
	if !intact || m.Generation != s.Generation || m.Canary != s.Canary || m.Mirror != s.Mirror {
		return false, nil
	}
	base, err := n.base()
	if err != nil {
		return false, fmt.Errorf("%s: %w", k, err)
	}
	want, err := render(base, s)
	if err != nil {
		return false, fmt.Errorf("%s: %w", k, err)
	}
	return m.Sent == Digest(want), nil
}

// bring writes what s wants over live, as the API server has it.
func (k *Keeper) bring(ctx context.Context, live *unstructured.Unstructured, n *note, t router.Target, s traffic.Split, render Render) error {
	if n != nil {
		k.lookForEdits(live)
	} else {
		n = &note{Adopted: k.Adopt}
		if v := k.Value(live); k.Adopt && v != nil {
			text, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("remember what was before %s: %w", k, err)
			}
			n.Before = text
		}
		if err := k.putNote(ctx, n); err != nil {
			return err
		}
	}
	contested := k.Contest.Err()
	if contested != nil {
		s.Canary, s.Mirror, s.Open = 0, 0, false
		if done, err := k.settled(live, n, s, render); done || err != nil {
			return errors.Join(contested, err)
		}
	}
	base, err := n.base()
	if err != nil {
		return fmt.Errorf("%s: %w", k, err)
	}
	want, err := render(base, s)
	if err != nil {
		return fmt.Errorf("%s: %w", k, err)
	}
	if err := k.write(ctx, live, want, Mark{Generation: s.Generation, Canary: s.Canary, Mirror: s.Mirror}, t.Sequence); err != nil {
		return errors.Join(contested, err)
	}
	k.wrote = true
	return contested
}

// lookForEdits counts it if somebody else has rewritten what Haldane wrote.
func (k *Keeper) lookForEdits(live *unstructured.Unstructured) {
	if live == nil {
		if k.wrote {
			k.Contest.Edited(k.String(), "")
		}
		return
	}
	_, marked := ReadMark(live)
	if _, intact := k.Intact(live); !intact && (marked || k.wrote) {
		k.Contest.Edited(k.String(), writer(live, k.owns))
	}
}

// write stores want. A dry run first tells what the API server will make of it.
func (k *Keeper) write(ctx context.Context, live *unstructured.Unstructured, want Content, m Mark, sequence uint64) error {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(k.Kind)
	u.SetNamespace(k.Rollout.Namespace)
	u.SetName(k.Name)
	if err := unstructured.SetNestedField(u.Object, want.Value, k.Field...); err != nil {
		return fmt.Errorf("write %s: %w", k, err)
	}
	if live != nil {
		u.SetResourceVersion(live.GetResourceVersion())
	}
	u.SetAnnotations(maps.Clone(want.Annotations))
	k.Rollout.Stamp(u, sequence, !k.Adopt)
	m.Sent = Digest(want)
	if err := m.Write(u); err != nil {
		return fmt.Errorf("write %s: %w", k, err)
	}
	stored, err := k.apply(ctx, u, client.DryRunAll)
	if err != nil {
		return err
	}
	m.Stored = Digest(k.content(stored))
	if err := m.Write(u); err != nil {
		return fmt.Errorf("write %s: %w", k, err)
	}
	_, err = k.apply(ctx, u)
	return err
}

// apply sends u by server-side apply and returns what the API server made of it.
func (k *Keeper) apply(ctx context.Context, u *unstructured.Unstructured, opts ...client.ApplyOption) (*unstructured.Unstructured, error) {
	out := u.DeepCopy()
	opts = append(opts, client.FieldOwner(cluster.FieldManager), client.ForceOwnership)
	if err := k.Rollout.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(out), opts...); err != nil {
		return nil, fmt.Errorf("write %s (%s): %w", k, strings.Join(k.Field, "."), err)
	}
	return out, nil
}
