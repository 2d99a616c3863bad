package client

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/kube"
	"github.com/haldane-dev/haldane/internal/rollout"
	webclient "github.com/haldane-dev/haldane/internal/web/client"
)

// Config is everything a Client needs.
type Config struct {
	Client    client.WithWatch // asks the API server itself
	Namespace string
	All       bool // List is about every namespace
	// Decode reads the state that a RolloutState holds.
	Decode func(*v1alpha1.RolloutState) (rollout.State, error)
	// Patience is how long a command waits for its answer; 0 is a minute.
	Patience time.Duration
	Wall     func() time.Time // optional
}

// Client asks one cluster about the rollouts of one namespace.
type Client struct{ cfg Config }

// New returns a Client.
func New(c Config) *Client {
	c.Patience = cmp.Or(c.Patience, time.Minute)
	if c.Wall == nil {
		c.Wall = time.Now
	}
	return &Client{c}
}

// Scheme returns the types that a Client's client must know.
func Scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, authenticationv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("register types: %w", err)
		}
	}
	return s, nil
}

// List returns the status of every rollout, by name.
func (c *Client) List(ctx context.Context) ([]engine.Status, error) {
	var where []client.ListOption
	if !c.cfg.All {
		where = append(where, client.InNamespace(c.cfg.Namespace))
	}
	var all v1alpha1.ModelRolloutList
	if err := c.cfg.Client.List(ctx, &all, where...); err != nil {
		return nil, c.explain(err, "list the rollouts")
	}
	var states v1alpha1.RolloutStateList
	if err := c.cfg.Client.List(ctx, &states, where...); err != nil {
		return nil, c.explain(err, "list the rollouts' states")
	}
	of := map[types.NamespacedName]*v1alpha1.RolloutState{}
	for i := range states.Items {
		of[client.ObjectKeyFromObject(&states.Items[i])] = &states.Items[i]
	}
	var out []engine.Status
	for i := range all.Items {
		m := &all.Items[i]
		s, err := c.status(m, of[client.ObjectKeyFromObject(m)])
		if err != nil {
			return nil, err
		}
		if c.cfg.All {
			s.Name = m.Namespace + "/" + m.Name
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b engine.Status) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// Status returns the status of one rollout.
func (c *Client) Status(ctx context.Context, name string) (engine.Status, error) {
	m, err := c.read(ctx, name)
	if err != nil {
		return engine.Status{}, err
	}
	return c.complete(ctx, m)
}

// Events returns up to limit of the newest events, oldest first.
func (c *Client) Events(ctx context.Context, name string, limit int) ([]rollout.Event, error) {
	m, err := c.read(ctx, name)
	if err != nil {
		return nil, err
	}
	all, err := c.events(ctx, m)
	return all[max(0, len(all)-limit):], err
}

// Blocks returns none: the controller keeps them in its memory alone.
func (c *Client) Blocks(context.Context, string, int) ([]engine.Block, error) { return nil, nil }

// read gets one ModelRollout. One that is not there is webclient.NotFound.
func (c *Client) read(ctx context.Context, name string) (*v1alpha1.ModelRollout, error) {
	var m v1alpha1.ModelRollout
	if err := c.cfg.Client.Get(ctx, client.ObjectKey{Namespace: c.cfg.Namespace, Name: name}, &m); err != nil {
		if apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
			return nil, &webclient.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no ModelRollout %s in namespace %s", name, c.cfg.Namespace)}
		}
		return nil, c.explain(err, "read rollout "+name)
	}
	return &m, nil
}

// complete is the status of m, with what its state tells.
func (c *Client) complete(ctx context.Context, m *v1alpha1.ModelRollout) (engine.Status, error) {
	obj := &v1alpha1.RolloutState{}
	switch err := c.cfg.Client.Get(ctx, client.ObjectKeyFromObject(m), obj); {
	case apierrors.IsNotFound(err):
		obj = nil
	case err != nil:
		return engine.Status{}, c.explain(err, "read the state of rollout "+m.Name)
	}
	return c.status(m, obj)
}

// events returns those that the cluster still has of m, oldest first.
func (c *Client) events(ctx context.Context, m *v1alpha1.ModelRollout) ([]rollout.Event, error) {
	var all corev1.EventList
	err := c.cfg.Client.List(ctx, &all, client.InNamespace(m.Namespace), client.MatchingFields{"involvedObject.uid": string(m.UID)})
	if err != nil {
		return nil, c.explain(err, "list the events of rollout "+m.Name)
	}
	var out []rollout.Event
	for _, e := range all.Items {
		at := e.EventTime.Time
		if at.IsZero() {
			at = e.FirstTimestamp.Time
		}
		out = append(out, rollout.Event{
			ID: e.Name, At: at, Kind: rollout.EventKind(e.Reason), Message: e.Message, Revision: e.Annotations[kube.AnnotationRevision],
		})
	}
	slices.SortStableFunc(out, func(a, b rollout.Event) int { return a.At.Compare(b.At) })
	return out, nil
}

// explain says what to do about an error of the API server, where that is known.
func (c *Client) explain(err error, doing string) error {
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("%s: this cluster does not know the kind ModelRollout: install Haldane in it, or choose another with --context: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
