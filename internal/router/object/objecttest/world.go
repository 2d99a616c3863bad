package objecttest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
)

// The rollout of every World.
const (
	Namespace = "shop"
	Name      = "churn"
	UID       = "uid-1"
)

// Target is of that rollout.
var Target = router.Target{Rollout: Namespace + "/" + Name}

// World is a cluster with one rollout.
type World struct {
	Rollout cluster.Rollout
	Notes   *Notes
	// Plain is a client past the hooks, of a person at the keyboard.
	Plain client.WithWatch
	// BeforeWrite, if set, sees each write (apply, update, delete; not dry runs)
	// and may refuse it, or change the cluster first.
	BeforeWrite func(kind, name string) error
	// AfterApply, if set, is the data plane: it is told what was applied or
	// patched.
	AfterApply func(ctx context.Context, kind schema.GroupVersionKind, name string) error
	// Default, if set, changes what is applied, dry runs too, as the defaults of
	// a definition and admission webhooks do.
	Default func(*unstructured.Unstructured)
	// Alive are the UIDs of the rollouts that exist.
	Alive map[string]bool

	mu     sync.Mutex
	writes []string
}

// New returns a world with objects given as YAML documents, and the Services
// of both arms.
func New(t *testing.T, spec v1alpha1.Spec, objects ...string) *World {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &World{Notes: &Notes{}, Alive: map[string]bool{UID: true}}
	b := fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields()
	for _, text := range objects {
		u := Object(t, text)
		b = b.WithObjects(u)
	}
	for _, arm := range []string{"-stable", "-canary"} {
		b = b.WithObjects(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: Name + arm},
			Spec:       corev1.ServiceSpec{Selector: map[string]string{"arm": arm[1:]}, Ports: []corev1.ServicePort{{Name: "metrics", Port: 9090}, {Name: "http", Port: 80}, {Name: "grpc", Port: 81}}},
		})
	}
	w.Plain = b.Build()
	c := interceptor.NewClient(w.Plain, w.hooks())
	if spec.Workload == nil {
		spec.Workload = &v1alpha1.Workload{Name: Name}
	}
	m := &v1alpha1.ModelRollout{Spec: spec}
	m.Name, m.Namespace = Name, Namespace
	m.DefaultCluster()
	w.Rollout = cluster.Rollout{
		Namespace: Namespace, Name: Name, UID: UID, Spec: &m.Spec,
		Client: c, Reader: reader{w.Plain}, Notes: w.Notes,
		Exists: func(uid string) bool { return w.Alive[uid] }, Logger: slog.New(slog.DiscardHandler),
	}
	return w
}

// reader is the API server itself, told apart from the client of the cache.
type reader struct{ client.Reader }

func (w *World) hooks() interceptor.Funcs {
	return interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			o := &client.ApplyOptions{}
			o.ApplyOptions(opts)
			sent, ok := obj.(interface{ UnstructuredContent() map[string]any })
			if !ok {
				return fmt.Errorf("%T is not unstructured", obj)
			}
			u := &unstructured.Unstructured{Object: sent.UnstructuredContent()}
			kind, name := u.GroupVersionKind(), u.GetName()
			if w.Default != nil {
				w.Default(u)
			}
			if slices.Contains(o.DryRun, metav1.DryRunAll) {
				return nil // the client of the tests would write it
			}
			if err := w.wrote("apply", kind.Kind, name); err != nil {
				return err
			}
			if err := c.Apply(ctx, obj, opts...); err != nil || w.AfterApply == nil {
				return err
			}
			return w.AfterApply(ctx, kind, name)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			if err := w.wrote("update", obj.GetObjectKind().GroupVersionKind().Kind, obj.GetName()); err != nil {
				return err
			}
			return c.Update(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			kind, err := c.GroupVersionKindFor(obj)
			if err != nil {
				return err
			}
			if err := w.wrote("patch", kind.Kind, obj.GetName()); err != nil {
				return err
			}
			if err := c.Patch(ctx, obj, patch, opts...); err != nil || w.AfterApply == nil {
				return err
			}
			return w.AfterApply(ctx, kind, obj.GetName())
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			if err := w.wrote("delete", obj.GetObjectKind().GroupVersionKind().Kind, obj.GetName()); err != nil {
				return err
			}
			return c.Delete(ctx, obj, opts...)
		},
	}
}

func (w *World) wrote(verb, kind, name string) error {
	if w.BeforeWrite != nil {
		if err := w.BeforeWrite(kind, name); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, verb+" "+kind+" "+name)
	return nil
}

// Writes returns the writes so far, as "apply HTTPRoute churn", and forgets
// them.
func (w *World) Writes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.writes
	w.writes = nil
	return out
}

// Get returns an object of the rollout's namespace, nil if there is none.
func (w *World) Get(t *testing.T, kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	err := w.Plain.Get(t.Context(), client.ObjectKey{Namespace: Namespace, Name: name}, u)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return u
}

// Edit changes an object as a person does who uses a tool called by.
func (w *World) Edit(t *testing.T, by string, u *unstructured.Unstructured, change func(object map[string]any)) {
	t.Helper()
	change(u.Object)
	if err := w.Plain.Update(t.Context(), u, client.FieldOwner(by)); err != nil {
		t.Fatalf("edit by hand: %v", err)
	}
}

// Look is what the owner of an object sees: all but what the API server keeps
// books of. Nil for no object.
func Look(u *unstructured.Unstructured) any {
	if u == nil {
		return nil
	}
	c := u.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"} {
		unstructured.RemoveNestedField(c.Object, "metadata", field)
	}
	delete(c.Object, "status")
	if len(c.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(c.Object, "metadata", "annotations")
	}
	return c.Object
}

// Object reads one YAML document.
func Object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return u
}

// Notes are kept in memory.
type Notes struct {
	Fail error // if set, Put fails with it

	mu    sync.Mutex
	notes map[string][]byte
}

// Get implements cluster.Notes.
func (n *Notes) Get(_ context.Context, key string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.notes[key], nil
}

// Put implements cluster.Notes.
func (n *Notes) Put(_ context.Context, key string, value []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Fail != nil {
		return n.Fail
	}
	if n.notes == nil {
		n.notes = map[string][]byte{}
	}
	if value == nil {
		delete(n.notes, key)
		return nil
	}
	n.notes[key] = value
	return nil
}

// Keys returns what is remembered.
func (n *Notes) Keys() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.notes))
}
