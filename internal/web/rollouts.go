package web

import (
	"context"
	"errors"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// ErrNotFound is what a Rollouts returns, wrapped or not, for a name it does
// not know. It becomes 404.
var ErrNotFound = errors.New("no such rollout")

// Rollouts is everything the API knows. Implementations are safe for
// concurrent use and return promptly when the context ends.
type Rollouts interface {
	// List returns every rollout's status, by name.
	List(context.Context) ([]engine.Status, error)
	// Status returns one rollout's status, or ErrNotFound.
	Status(ctx context.Context, name string) (engine.Status, error)
	// Blocks returns up to limit of the newest blocks, oldest first.
	Blocks(ctx context.Context, name string, limit int) ([]engine.Block, error)
	// Events returns up to limit of the newest events, oldest first.
	Events(ctx context.Context, name string, limit int) ([]rollout.Event, error)
	// Submit hands a command over and waits for what became of it. The same
	// command ID twice is obeyed once.
	Submit(ctx context.Context, name string, c rollout.Command) (rollout.Reply, error)
	// Subscribe returns what happens from now on. A reader that falls behind
	// loses the oldest updates, which it then finds in Blocks and Events. The
	// channel is closed when the context or the source of updates ends.
	Subscribe(ctx context.Context, name string) (<-chan Update, error)
}

// Update is one thing that happened: exactly one field is set.
type Update = engine.Update
