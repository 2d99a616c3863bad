package deployment

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Kinds remembers which optional kinds a cluster has, for all rollouts of a
// controller. About one that is not there the client asks the API server what
// kinds there are, every time, while nobody else can read from its cache: a
// thousand rollouts that each ask for themselves stand in each other's way.
// It is safe for concurrent use.
type Kinds struct {
	asking  sync.Mutex // held while a kind is asked for of which nothing is known
	mu      sync.Mutex
	there   map[schema.GroupVersionKind]bool
	missing map[schema.GroupVersionKind]time.Time // when that was last seen
}

// NewKinds returns one that knows nothing yet.
func NewKinds() *Kinds {
	return &Kinds{there: map[schema.GroupVersionKind]bool{}, missing: map[schema.GroupVersionKind]time.Time{}}
}

// kindsFor is how long a kind that is not there is taken to stay so.
const kindsFor = 10 * time.Minute

// list fills l with the objects of its kind in a namespace: with none where the
// kind is not installed, or may not be read.
func (k *Kinds) list(ctx context.Context, c client.Client, l *unstructured.UnstructuredList, namespace string, now time.Time) error {
	kind := l.GroupVersionKind()
	known, there := k.known(kind, now)
	if known && !there {
		return nil
	}
	if !known { // one asks, the others wait for what it hears
		k.asking.Lock()
		defer k.asking.Unlock()
		if known, there = k.known(kind, now); known && !there {
			return nil
		}
	}
	err := c.List(ctx, l, client.InNamespace(namespace))
	if absent(err) != nil {
		return fmt.Errorf("list %s: %w", kind.Kind, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.there[kind] = err == nil; err != nil {
		k.missing[kind] = now
	}
	return nil
}

// known reports whether it was seen lately if a kind is there.
func (k *Kinds) known(kind schema.GroupVersionKind, now time.Time) (known, there bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.missing[kind]
	return k.there[kind] || ok && now.Sub(at) < kindsFor, k.there[kind]
}
