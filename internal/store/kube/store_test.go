package kube

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/store/memory"
	"github.com/haldane-dev/haldane/internal/store/storetest"
)

func server(t *testing.T) client.WithWatch {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(s).Build()
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		c := checked{server(t)}
		j := memory.New(50)
		return storetest.Harness{
			Store: New(c, c), Journal: j, MaxRecords: 50,
			Reopen: func(*testing.T) (store.Store, store.Journal) { return New(c, c), j },
		}
	})
}

// checked is a server that notices ended contexts, which the fake one does not.
type checked struct{ client.WithWatch }

func (c checked) Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.WithWatch.Create(ctx, o, opts...)
}

func (c checked) Get(ctx context.Context, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.WithWatch.Get(ctx, k, o, opts...)
}

const id = rollout.ID("shop/churn")

func TestNotesLiveBesideTheState(t *testing.T) {
	c := server(t)
	s := New(c, c)
	n := s.Notes(id)
	if got, err := n.Get(t.Context(), "template"); got != nil || err != nil {
		t.Fatalf("a note never kept: %q, %v", got, err)
	}
	if err := n.Put(t.Context(), "template", []byte("one")); err != nil {
		t.Fatal(err)
	}
	v, err := s.Save(t.Context(), id, storetest.Example(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Put(t.Context(), "route", []byte("two")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), id, storetest.Example(), v); err != nil {
		t.Fatalf("a note made the next save fail: %v", err)
	}
	again := New(c, c)
	for name, want := range map[string]string{"template": "one", "route": "two"} {
		if got, err := again.Notes(id).Get(t.Context(), name); string(got) != want || err != nil {
			t.Errorf("note %s after a restart: %q, %v", name, got, err)
		}
	}
	if err := n.Put(t.Context(), "route", nil); err != nil {
		t.Fatal(err)
	}
	if got, _ := New(c, c).Notes(id).Get(t.Context(), "route"); got != nil {
		t.Errorf("a removed note: %q", got)
	}
	if err := n.Put(t.Context(), "big", make([]byte, cluster.MaxNote+1)); err == nil {
		t.Error("a note of any size is kept")
	}
}

// TestANoteKeepsTheState, which a store does not hold between a save and a note.
func TestANoteKeepsTheState(t *testing.T) {
	c := server(t)
	s := New(c, c)
	if _, err := s.Save(t.Context(), id, storetest.Example(), 0); err != nil {
		t.Fatal(err)
	}
	if got := s.of(id).obj.State; got != "" {
		t.Errorf("the store holds %d bytes of the state in memory", len(got))
	}
	for _, value := range []string{"one", "two"} {
		if err := s.Notes(id).Put(t.Context(), "route", []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	st, v, err := New(c, c).Load(t.Context(), id)
	if diff := cmp.Diff(storetest.Example(), st); diff != "" || v != 1 || err != nil {
		t.Errorf("version %d, %v, -saved +loaded:\n%s", v, err, diff)
	}
}

// TestAnEmptyNoteIsNone: the API server refuses an object with empty bytes.
func TestAnEmptyNoteIsNone(t *testing.T) {
	c := server(t)
	n := New(c, c).Notes(id)
	for _, value := range []string{"one", ""} {
		if err := n.Put(t.Context(), "promoted", []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := New(c, c).Notes(id).Get(t.Context(), "promoted"); got != nil || err != nil {
		t.Errorf("an empty note: %q, %v", got, err)
	}
}

// TestNoteOfALostPlace: a process whose state somebody else has saved since
// must not leave notes either.
func TestNoteOfALostPlace(t *testing.T) {
	c := server(t)
	former, later := New(c, c), New(c, c)
	v, err := former.Save(t.Context(), id, storetest.Example(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := later.Load(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := later.Save(t.Context(), id, storetest.Example(), v); err != nil {
		t.Fatal(err)
	}
	if err := former.Notes(id).Put(t.Context(), "template", []byte("old")); err == nil {
		t.Error("the note was kept")
	}
}

// TestAnEqualNoteCostsNothing, or every reconcile would write.
func TestAnEqualNoteCostsNothing(t *testing.T) {
	writes := 0
	c := interceptor.NewClient(server(t), interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			writes++
			return c.Update(ctx, o, opts...)
		},
	})
	n := New(c, c).Notes(id)
	for range 3 {
		if err := n.Put(t.Context(), "a", []byte("b")); err != nil {
			t.Fatal(err)
		}
	}
	if writes != 0 {
		t.Errorf("%d updates", writes)
	}
}

func TestANamesakesStateIsNotOurs(t *testing.T) {
	c := server(t)
	with := func(uid types.UID) *Store {
		s := New(c, c)
		s.Own(id, uid)
		return s
	}
	before := with("u1")
	if _, err := before.Save(t.Context(), id, storetest.Example(), 0); err != nil {
		t.Fatal(err)
	}
	if err := before.Notes(id).Put(t.Context(), "a", []byte("b")); err != nil {
		t.Fatal(err)
	}
	s := with("u2")
	if st, v, err := s.Load(t.Context(), id); v != 0 || st.Phase != "" || err != nil {
		t.Fatalf("loaded version %d, phase %q, %v", v, st.Phase, err)
	}
	if got, _ := s.Notes(id).Get(t.Context(), "a"); got != nil {
		t.Errorf("a namesake's note: %q", got)
	}
	if v, err := s.Save(t.Context(), id, rollout.State{Phase: rollout.Idle}, 0); v != 1 || err != nil {
		t.Fatalf("first save: version %d, %v", v, err)
	}
	var obj v1alpha1.RolloutState
	if err := c.Get(t.Context(), key(id), &obj); err != nil {
		t.Fatal(err)
	}
	if obj.Rollout != "u2" || len(obj.Notes) > 0 || len(obj.OwnerReferences) > 0 {
		t.Errorf("stored: of %s, notes %v, owned by %v", obj.Rollout, obj.Notes, obj.OwnerReferences)
	}
	if _, err := before.Save(t.Context(), id, storetest.Example(), 1); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the namesake saves on: %v", err)
	}
}

// TestALostAnswerIsAConflict: what may have been written is loaded, not
// written twice.
func TestALostAnswerIsAConflict(t *testing.T) {
	lose := false
	c := interceptor.NewClient(server(t), interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := c.Update(ctx, o.DeepCopyObject().(client.Object), opts...); err != nil || !lose {
				return err
			}
			return apierrors.NewTimeoutError("the answer is lost", 1)
		},
	})
	s := New(c, c)
	v, err := s.Save(t.Context(), id, storetest.Example(), 0)
	if err != nil {
		t.Fatal(err)
	}
	lose = true
	written := storetest.Example()
	written.Reason = "written all the same"
	if _, err := s.Save(t.Context(), id, written, v); err == nil || errors.Is(err, store.ErrConflict) {
		t.Fatalf("a lost answer: %v", err)
	}
	lose = false
	if _, err := s.Save(t.Context(), id, storetest.Example(), v); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("the save after it: %v", err)
	}
	if st, got, err := s.Load(t.Context(), id); got != v+1 || st.Reason != written.Reason || err != nil {
		t.Errorf("loaded version %d, %q, %v", got, st.Reason, err)
	}
}

func TestLargeStatesArePacked(t *testing.T) {
	c := server(t)
	s := New(c, c)
	big := storetest.Example()
	big.Reason = strings.Repeat("a long story ", plainLimit/10)
	if _, err := s.Save(t.Context(), id, big, 0); err != nil {
		t.Fatal(err)
	}
	var obj v1alpha1.RolloutState
	if err := c.Get(t.Context(), key(id), &obj); err != nil {
		t.Fatal(err)
	}
	if obj.State != "" || len(obj.Packed) == 0 || len(obj.Packed) > plainLimit {
		t.Errorf("stored %d bytes plain, %d packed", len(obj.State), len(obj.Packed))
	}
	got, _, err := New(c, c).Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(big, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("it changed on the way:\n%s", d)
	}
	obj.Packed = obj.Packed[:len(obj.Packed)/2]
	if err := c.Update(t.Context(), &obj); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Load(t.Context(), id); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("half of it: %v, want ErrCorrupt", err)
	}
}
