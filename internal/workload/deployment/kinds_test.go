package deployment

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// asked answers List with what it is told to, and counts.
type asked struct {
	client.Client
	mu    sync.Mutex
	times int
	err   error
}

func (a *asked) List(_ context.Context, l client.ObjectList, _ ...client.ListOption) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times++
	if a.err == nil {
		l.(*unstructured.UnstructuredList).Items = make([]unstructured.Unstructured, 1)
	}
	return a.err
}

// TestKindsAreAskedForOnce, by however many rollouts at once.
func TestKindsAreAskedForOnce(t *testing.T) {
	k, c, now := NewKinds(), &asked{err: &meta.NoKindMatchError{}}, time.Unix(1e9, 0)
	list := func(now time.Time) (int, error) {
		l := &unstructured.UnstructuredList{}
		l.SetGroupVersionKind(scaledObjects)
		err := k.list(t.Context(), c, l, namespace, now)
		return len(l.Items), err
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if n, err := list(now); n != 0 || err != nil {
				t.Errorf("%d objects of a kind that is not there, %v", n, err)
			}
		})
	}
	wg.Wait()
	if c.times != 1 {
		t.Errorf("asked %d times", c.times)
	}
	c.err = nil // it is installed
	if n, err := list(now.Add(kindsFor - time.Second)); n != 0 || err != nil || c.times != 1 {
		t.Errorf("soon after: %d objects, %v, asked %d times", n, err, c.times)
	}
	for i := range 3 {
		if n, err := list(now.Add(kindsFor)); n != 1 || err != nil || c.times != 2+i {
			t.Errorf("later: %d objects, %v, asked %d times", n, err, c.times)
		}
	}
	c.err = errors.New("the API server is away")
	if _, err := list(now.Add(kindsFor)); err == nil {
		t.Error("an error is taken for a kind that is not there")
	}
	c.err = &meta.NoKindMatchError{} // it is taken away
	for range 2 {
		if n, err := list(now.Add(kindsFor)); n != 0 || err != nil {
			t.Errorf("taken away: %d objects, %v", n, err)
		}
	}
	if c.times != 6 {
		t.Errorf("asked %d times", c.times)
	}
}
