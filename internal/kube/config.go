package kube

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/store"
)

// DefaultWorkers is how many rollouts are reconciled at the same time.
const DefaultWorkers = 32

// Adapters makes what a rollout is driven with. The functions look at the spec
// and choose; an error says what cannot be done and what to write instead.
type Adapters struct {
	Workload func(cluster.Rollout) (cluster.Workload, error)
	Router   func(cluster.Rollout) (router.Router, error)
	Source   func(cluster.Rollout) (metric.Source, error)
	// Outside makes who has a say and who is told; nil: nobody.
	Outside func(cluster.Rollout) (Outside, error)
	// Watch are the kinds that adapters write: a change of one that carries
	// cluster.LabelRollout or cluster.AnnotationOwner wakes its rollout. Kinds
	// that the cluster does not know are left out.
	Watch []schema.GroupVersionKind
}

// States is a store.Store of a cluster.
type States interface {
	store.Store
	// Own says which object a rollout's state belongs to.
	Own(id rollout.ID, uid types.UID)
	// Remove deletes what is kept of a rollout that does not exist any more.
	Remove(ctx context.Context, id rollout.ID) error
	// Notes returns what adapters remember of a rollout.
	Notes(id rollout.ID) cluster.Notes
	// Epoch is added to sequences: larger for a state begun later.
	Epoch(id rollout.ID) uint64
	// Forget drops what is held of a rollout that is gone.
	Forget(id rollout.ID)
}

// Config is everything a Controller needs; what is optional says so.
type Config struct {
	Client   client.Client // reads from a cache
	Reader   client.Reader // asks the API server
	States   States
	Adapters Adapters
	// Spec makes the plan of a valid rollout and its two revisions.
	Spec func(m *v1alpha1.ModelRollout, stable, canary rollout.Revision) (engine.Spec, error)
	// Allow refuses addresses that the operator does not want asked; optional.
	Allow func(address string) error
	// AllowURL is Allow for hooks and messages; optional.
	AllowURL func(address string) error
	Workers  int              // 0 is DefaultWorkers
	Timeout  time.Duration    // of one call of an adapter; 0 is engine.DefaultTimeout
	Logger   *slog.Logger     // optional
	Wall     func() time.Time // optional
}

func (c *Config) complete() {
	c.Workers = cmp.Or(c.Workers, DefaultWorkers)
	c.Timeout = cmp.Or(c.Timeout, engine.DefaultTimeout)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Allow == nil {
		c.Allow = func(string) error { return nil }
	}
	if c.AllowURL == nil {
		c.AllowURL = func(string) error { return nil }
	}
	if c.Adapters.Outside == nil {
		c.Adapters.Outside = func(cluster.Rollout) (Outside, error) { return Outside{}, nil }
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
}

// bounded calls f with the time limit of an adapter.
func bounded[T any](ctx context.Context, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}
