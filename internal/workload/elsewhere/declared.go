package elsewhere

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// noteArms holds what both arms are.
const noteArms = "haldane.dev/flag-arms"

// Read returns what the arms of a rollout are, by what its Declared has noted:
// an edit of the spec changes nothing under users before it has been begun. An
// arm that was never in use is the zero Arm.
func Read(ctx context.Context, notes cluster.Notes) ([traffic.NumArms]Arm, error) {
	var out [traffic.NumArms]Arm
	text, err := notes.Get(ctx, noteArms)
	if err != nil {
		return out, fmt.Errorf("which versions the arms are: %w", err)
	}
	if text == nil {
		return out, nil
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, fmt.Errorf("which versions the arms are: read the note of it: %w", err)
	}
	return out, nil
}

func write(ctx context.Context, notes cluster.Notes, arms [traffic.NumArms]Arm) error {
	text, err := json.Marshal(arms)
	if err == nil {
		err = notes.Put(ctx, noteArms, text)
	}
	if err != nil {
		return fmt.Errorf("note which versions the arms are: %w", err)
	}
	return nil
}

// Declared is the workload of a rollout on a cluster whose versions stand in its
// spec.
type Declared struct {
	notes cluster.Notes
	since time.Time

	mu    sync.Mutex
	arms  [traffic.NumArms]Arm // of the newest spec
	moved bool
}

var _ cluster.Declarer = (*Declared)(nil)

// NewDeclared returns the workload of a rollout whose routing is a flag. Nothing
// is read or written before the first call.
func NewDeclared(r cluster.Rollout) *Declared {
	return &Declared{notes: r.Notes, since: time.Now(), arms: ArmsOf(r.Spec)}
}

// Declare implements cluster.Declarer.
func (d *Declared) Declare(s *v1alpha1.Spec) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arms = ArmsOf(s)
}

func (d *Declared) declared() [traffic.NumArms]Arm {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.arms
}

// Moved implements cluster.Declarer.
func (d *Declared) Moved() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moved
}

func (d *Declared) move(to bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moved = to
}

// Prepare implements cluster.Workload: stable must be known before anybody asks.
func (d *Declared) Prepare(ctx context.Context, _ workload.Target) (waiting string, err error) {
	arms, err := Read(ctx, d.notes)
	if err != nil || arms[traffic.Stable].Hash != "" {
		return "", err
	}
	arms[traffic.Stable] = d.declared()[traffic.Stable]
	return "", write(ctx, d.notes, arms)
}

// Revisions implements cluster.Workload.
func (d *Declared) Revisions(context.Context, workload.Target) (stable, canary rollout.Revision, err error) {
	arms := d.declared()
	return arms[traffic.Stable].Revision, arms[traffic.Canary].Revision, nil
}

// Observe implements workload.Workload. What has begun is ready: whether it is
// well, what comes back from it must tell.
func (d *Declared) Observe(ctx context.Context, _ workload.Target) (map[rollout.Role]rollout.Health, error) {
	arms, err := Read(ctx, d.notes)
	if err != nil {
		return nil, err
	}
	d.move(false)
	out := map[rollout.Role]rollout.Health{}
	for role := range rollout.Role(traffic.NumArms) {
		h := rollout.Health{Message: "not in use", Since: d.since}
		if hash := arms[role].Hash; hash != "" {
			h.Ready, h.Revision, h.Message = true, hash, "runs elsewhere"
		}
		out[role] = h
	}
	return out, nil
}

// Apply implements workload.Workload. Stable becomes what the newest spec says,
// and the candidate the revision that s names, if the newest spec names it too:
// otherwise it was edited away since, and who is on the one before stays there
// until traffic has left it.
func (d *Declared) Apply(ctx context.Context, _ workload.Target, s rollout.Scale) error {
	arms, err := Read(ctx, d.notes)
	if err != nil {
		return err
	}
	before, newest := arms, d.declared()
	if s.Stable {
		arms[traffic.Stable] = newest[traffic.Stable]
	}
	if next := newest[traffic.Canary]; s.Canary && s.Revision == next.Hash {
		arms[traffic.Canary] = next
	}
	if reflect.DeepEqual(arms, before) {
		return nil
	}
	if err := write(ctx, d.notes, arms); err != nil {
		return err
	}
	d.move(true)
	return nil
}

// Restore implements cluster.Workload: nothing has to serve in stable's place.
func (d *Declared) Restore(context.Context, workload.Target) (waiting string, err error) {
	return "", nil
}

// Release implements workload.Workload: there is nothing to end.
func (d *Declared) Release(ctx context.Context, _ workload.Target) error {
	if err := d.notes.Put(ctx, noteArms, nil); err != nil {
		return fmt.Errorf("forget which versions the arms are: %w", err)
	}
	return nil
}
