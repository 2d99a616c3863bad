package kube

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// Store implements store.Store.
type Store struct {
	client client.Client
	reader client.Reader

	mu    sync.Mutex
	known map[rollout.ID]*held
}

// held is the object of one rollout as it was last read or written.
type held struct {
	mu  sync.Mutex
	uid types.UID // of the ModelRollout, "" if it is not known
	// obj is nil if it was not read yet, or is not there. It lacks the state, which
	// is most of it and written anew by every Save, unless whole.
	obj   *v1alpha1.RolloutState
	whole bool
}

// drop forgets the state, and who owns which fields: a controller of a thousand
// rollouts would keep some 20 MB of them.
func (h *held) drop() {
	h.obj.State, h.obj.Packed, h.obj.ManagedFields, h.whole = "", nil, nil, false
}

var _ store.Store = (*Store)(nil)

// New returns a store that writes through c and reads through r, which must
// answer from the API server and not from a cache.
func New(c client.Client, r client.Reader) *Store {
	return &Store{client: c, reader: r, known: map[rollout.ID]*held{}}
}

// Own says which ModelRollout a rollout is of: its UID tells the state from one of
// a namesake before it.
func (s *Store) Own(id rollout.ID, uid types.UID) {
	h := s.of(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uid = uid
}

// key is the object's: a rollout's ID is its namespace, a slash and its name.
func key(id rollout.ID) client.ObjectKey {
	namespace, name, ok := strings.Cut(string(id), "/")
	if !ok {
		namespace, name = "", string(id)
	}
	return client.ObjectKey{Namespace: namespace, Name: name}
}

// of returns what is held of a rollout.
func (s *Store) of(id rollout.ID) *held {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[id] == nil {
		s.known[id] = &held{}
	}
	return s.known[id]
}

// Forget drops what is held of a rollout that is gone.
func (s *Store) Forget(id rollout.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}

// Epoch returns a number that is larger for a state that was begun later, 0
// before the first Save: sequences of decisions begin anew with the state, and
// are ordered across that by adding it.
func (s *Store) Epoch(id rollout.ID) uint64 {
	h := s.of(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.obj == nil || h.obj.CreationTimestamp.IsZero() {
		return 0
	}
	return uint64(h.obj.CreationTimestamp.Unix()) << 24
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id rollout.ID) (rollout.State, store.Version, error) {
	h := s.of(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := s.fetch(ctx, id, h); err != nil {
		return rollout.State{}, 0, err
	}
	v := s.version(h)
	if v == 0 {
		return rollout.State{}, 0, nil
	}
	st, err := Decode(h.obj)
	if err != nil {
		return rollout.State{}, 0, fmt.Errorf("read the state of %s: %w", id, err)
	}
	h.drop()
	return st, v, nil
}

// fetch reads the object; h is locked.
func (s *Store) fetch(ctx context.Context, id rollout.ID, h *held) error {
	obj := &v1alpha1.RolloutState{}
	err := s.reader.Get(ctx, key(id), obj)
	switch {
	case apierrors.IsNotFound(err):
		h.obj = nil
	case err != nil:
		return fmt.Errorf("read the state of %s: %w", id, err)
	default:
		h.obj, h.whole = obj, true
	}
	return nil
}

// version is that of the state in h, 0 if it is a namesake's or none.
func (s *Store) version(h *held) store.Version {
	if h.obj == nil || h.foreign() {
		return 0
	}
	return store.Version(h.obj.Version)
}

func (h *held) foreign() bool {
	return h.uid != "" && h.obj.Rollout != "" && h.obj.Rollout != string(h.uid)
}

// Save implements store.Store.
func (s *Store) Save(ctx context.Context, id rollout.ID, st rollout.State, v store.Version) (store.Version, error) {
	h := s.of(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.obj == nil { // nothing is held, which is not yet nothing there
		if err := s.fetch(ctx, id, h); err != nil {
			return 0, err
		}
	}
	for again := true; ; again = false {
		if is := s.version(h); is != v {
			return 0, fmt.Errorf("save %s: version %d is stored, not %d: %w", id, is, v, store.ErrConflict)
		}
		next := s.prepare(id, h)
		if err := encode(next, st); err != nil {
			return 0, fmt.Errorf("save %s: %w", id, err)
		}
		next.Version = int64(v) + 1
		err := s.write(ctx, h, next)
		if err == nil {
			return v + 1, nil
		}
		if !raced(err) {
			return 0, fmt.Errorf("save %s: %w", id, err)
		}
		// Somebody wrote in between: a state, or a note, or a label.
		if err := s.fetch(ctx, id, h); err != nil {
			return 0, err
		}
		if !again {
			return 0, fmt.Errorf("save %s: %w: %w", id, store.ErrConflict, err)
		}
	}
}

// prepare is a copy of what is held to be changed and written, or a new one.
func (s *Store) prepare(id rollout.ID, h *held) *v1alpha1.RolloutState {
	k, uid := key(id), h.uid
	next := &v1alpha1.RolloutState{ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: k.Name}}
	if h.obj != nil {
		next = h.obj.DeepCopy()
		if h.foreign() {
			next = &v1alpha1.RolloutState{ObjectMeta: metav1.ObjectMeta{
				Namespace: k.Namespace, Name: k.Name, ResourceVersion: h.obj.ResourceVersion,
				UID: h.obj.UID, CreationTimestamp: h.obj.CreationTimestamp,
			}}
		}
	}
	next.Labels = maps.Clone(next.Labels)
	if next.Labels == nil {
		next.Labels = map[string]string{}
	}
	next.Labels[cluster.LabelRollout] = k.Name
	if uid != "" {
		next.Rollout = string(uid)
	}
	// Nobody owns it: a deletion in the foreground would end it before the rollout,
	// and with it what the routes said before.
	next.OwnerReferences = nil
	return next
}

// Remove deletes what is kept of a rollout, its notes included. It is no error if
// nothing is, or only what is a namesake's.
func (s *Store) Remove(ctx context.Context, id rollout.ID) error {
	h := s.of(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := s.fetch(ctx, id, h); err != nil || h.obj == nil || h.foreign() {
		return err
	}
	uid := h.obj.UID
	err := s.client.Delete(ctx, h.obj, client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete the state of %s: %w", id, err)
	}
	h.obj = nil
	return nil
}

// write stores next in place of what is held, and holds it from then on.
func (s *Store) write(ctx context.Context, h *held, next *v1alpha1.RolloutState) error {
	var err error
	if next.ResourceVersion == "" {
		err = s.client.Create(ctx, next, client.FieldOwner(cluster.FieldManager))
	} else {
		err = s.client.Update(ctx, next, client.FieldOwner(cluster.FieldManager))
	}
	if err == nil {
		h.obj = next
		h.drop()
	}
	return err
}

// raced reports whether a write failed because the object is another by now.
func raced(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}
