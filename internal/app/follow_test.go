package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// tables is an API server with one table that can fall silent.
type tables struct {
	client.WithWatch
	mu    sync.Mutex
	cut   bool // it does not answer
	deaf  bool // watches tell nothing
	taken []string
}

func newTables(t *testing.T) *tables {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	x := &tables{}
	x.WithWatch = interceptor.NewClient(fake.NewClientBuilder().WithScheme(scheme).Build(), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if x.is(&x.cut) {
				return errors.New("connection refused")
			}
			return c.Get(ctx, key, o, opts...)
		},
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
			if x.is(&x.cut) {
				return nil, errors.New("connection refused")
			}
			if x.is(&x.deaf) {
				return watch.NewFake(), nil
			}
			return c.Watch(ctx, list, opts...)
		},
	})
	return x
}

func (x *tables) is(flag *bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return *flag
}

func (x *tables) set(flag *bool, to bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*flag = to
}

func (x *tables) take(text string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.taken = append(x.taken, text)
	return nil
}

func (x *tables) has(text string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Contains(x.taken, text)
}

var tableKey = client.ObjectKey{Namespace: "shop", Name: "churn-gateway"}

// write makes text the table, of a generation.
func (x *tables) write(t *testing.T, name, text string) {
	t.Helper()
	o := &v1alpha1.GatewayTable{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	err := x.WithWatch.Get(t.Context(), client.ObjectKeyFromObject(o), o)
	o.Spec.Table = text
	if err == nil {
		err = x.Update(t.Context(), o)
	} else {
		err = x.Create(t.Context(), o)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// follow runs a follower until the test ends.
func (x *tables) follow(t *testing.T) *follower {
	t.Helper()
	f := newFollower(x, tableKey, x.take, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Error("it does not end")
		}
	})
	return f
}

// TestFollowed: a table that is made later, and every change of it, is taken;
// that of another rollout is not.
func TestFollowed(t *testing.T) {
	x := newTables(t)
	x.write(t, "other", "theirs")
	f := x.follow(t)
	x.write(t, tableKey.Name, "one")
	f.nudge() // the watch may not have begun when the table was made
	eventually(t, "the first table is taken", func() bool { return x.has("one") })
	x.write(t, tableKey.Name, "two")
	eventually(t, "the second table is taken", func() bool { f.nudge(); return x.has("two") })
	if x.has("theirs") {
		t.Error("a table of another rollout was taken")
	}
}

// TestFollowedByTheWatchAlone: nobody has to nudge.
func TestFollowedByTheWatchAlone(t *testing.T) {
	x := newTables(t)
	x.write(t, tableKey.Name, "one")
	x.follow(t)
	eventually(t, "the watch has begun and the table was read", func() bool { return x.has("one") })
	x.write(t, tableKey.Name, "two") // the watch began before "one" was read
	eventually(t, "the second table is taken", func() bool { return x.has("two") })
}

// TestDeafWatch: one who knows better makes it look.
func TestDeafWatch(t *testing.T) {
	x := newTables(t)
	x.deaf = true
	x.write(t, tableKey.Name, "one")
	f := x.follow(t)
	eventually(t, "the first table is taken", func() bool { return x.has("one") })
	x.write(t, tableKey.Name, "two")
	f.nudge()
	eventually(t, "the second table is taken", func() bool { return x.has("two") })
}

// TestCutOff: it comes back by itself.
func TestCutOff(t *testing.T) {
	x := newTables(t)
	x.cut = true
	x.follow(t)
	x.set(&x.cut, false)
	x.write(t, tableKey.Name, "one")
	eventually(t, "the table is taken once the API server answers", func() bool { return x.has("one") })
}

// TestOlderTablesAreLeft: what a watch tells late does not go over what was
// read.
func TestOlderTablesAreLeft(t *testing.T) {
	x := newTables(t)
	f := newFollower(x, tableKey, x.take, slog.New(slog.DiscardHandler))
	see := func(uid string, generation int64, text string) {
		o := &v1alpha1.GatewayTable{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), Generation: generation}}
		o.Spec.Table = text
		f.see(o)
	}
	see("a", 5, "five")
	see("a", 4, "four")
	see("b", 1, "anew")
	if !slices.Equal(x.taken, []string{"five", "anew"}) {
		t.Errorf("%v", x.taken)
	}
}
