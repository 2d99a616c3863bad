package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// The pace at which the API server is asked again after a failure, and how long
// one question may take.
const (
	followFirst = 250 * time.Millisecond
	followLast  = 10 * time.Second
	followCall  = 15 * time.Second
)

// follower hands every version of one GatewayTable to take. It needs the verbs
// get and watch on that one object.
type follower struct {
	client client.WithWatch
	key    client.ObjectKey
	take   func(table string) error
	log    *slog.Logger

	again      chan struct{} // asks for a look besides the watch
	uid        types.UID
	generation int64
}

func newFollower(c client.WithWatch, key client.ObjectKey, take func(string) error, log *slog.Logger) *follower {
	return &follower{client: c, key: key, take: take, log: log, again: make(chan struct{}, 1)}
}

// nudge makes it read the table soon, without waiting for the watch: somebody
// knows that there is a newer one.
func (f *follower) nudge() {
	select {
	case f.again <- struct{}{}:
	default:
	}
}

// run follows until ctx ends. Cut off from the API server it tries again, and
// what was taken last stays.
func (f *follower) run(ctx context.Context) {
	wait, failing := followFirst, false
	for ctx.Err() == nil {
		began := time.Now()
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing { // said once, not every time
			f.log.Warn("the table cannot be followed: the last one stays", "table", f.key.String(), "error", err)
		}
		failing = err != nil
		if wait = min(2*wait, followLast); err == nil || time.Since(began) > followLast {
			wait = followFirst
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

// follow watches first and reads then, so that nothing falls between. It returns
// nil when the API server ends the watch in order.
func (f *follower) follow(ctx context.Context) error {
	w, err := f.client.Watch(ctx, &v1alpha1.GatewayTableList{},
		client.InNamespace(f.key.Namespace), client.MatchingFields{"metadata.name": f.key.Name})
	if err != nil {
		return fmt.Errorf("watch GatewayTable %s: %w", f.key, err)
	}
	defer w.Stop()
	if err := f.read(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.again:
			if err := f.read(ctx); err != nil {
				return err
			}
		case event, ok := <-w.ResultChan():
			if !ok {
				return nil
			}
			if event.Type == watch.Error {
				return fmt.Errorf("watch GatewayTable %s: %w", f.key, apierrors.FromObject(event.Object))
			}
			if t, ok := event.Object.(*v1alpha1.GatewayTable); ok && event.Type != watch.Deleted && t.Name == f.key.Name {
				f.see(t)
			}
		}
	}
}

// read asks the API server, past every cache. A table that is not there yet is
// waited for.
func (f *follower) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, followCall)
	defer cancel()
	var t v1alpha1.GatewayTable
	err := f.client.Get(ctx, f.key, &t)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("read GatewayTable %s: no answer within %s", f.key, followCall)
	case err != nil:
		return fmt.Errorf("read GatewayTable %s: %w", f.key, err)
	}
	f.see(&t)
	return nil
}

// see takes t, unless it is older than what was taken.
func (f *follower) see(t *v1alpha1.GatewayTable) {
	if t.UID == f.uid && t.Generation < f.generation {
		return
	}
	f.uid, f.generation = t.UID, t.Generation
	if err := f.take(t.Spec.Table); err != nil {
		f.log.Error("the table cannot be used: the last one stays", "table", f.key.String(), "error", err)
	}
}
