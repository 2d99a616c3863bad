package cluster

import (
	"context"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/workload"
)

// Workload is a workload whose revisions are not in the file: they are what
// runs.
type Workload interface {
	workload.Workload
	// Prepare brings about what must be there before anything is decided: the
	// stable copy and both Services, ready to take traffic. It is idempotent
	// and returns what it waits for, "" once all is there.
	Prepare(ctx context.Context, t workload.Target) (waiting string, err error)
	// Revisions returns the revision in service and the candidate that the
	// user wants. They are equal when there is no candidate. ErrGone means that
	// neither exists.
	Revisions(ctx context.Context, t workload.Target) (stable, canary rollout.Revision, err error)
	// Restore makes the user's own Deployment serve again, at stable's
	// replicas and ready, so that the routes can be put back as they were. It
	// is idempotent and returns what it waits for, "" once they can. It is
	// called only while both revisions are equal, and is ErrGone if the user's
	// own Deployment does not exist; the router's Release follows,
	// and then this workload's.
	Restore(ctx context.Context, t workload.Target) (waiting string, err error)
}

// Declarer is a workload whose revisions stand in the rollout's own spec: an edit
// of it is a new revision at once, also while another is on its way. There is
// nothing beside the spec to be put back.
type Declarer interface {
	Workload
	// Declare takes the versions of the newest valid spec, for Revisions to
	// return.
	Declare(spec *v1alpha1.Spec)
	// Moved reports whether Apply has changed what Observe reports since Observe
	// was called last: no watch tells of it.
	Moved() bool
}

// Condition is something standing that people should know of.
type Condition struct {
	Type    string // of v1alpha1: ReplicasContested, DirectTrafficUncontrolled, …
	True    bool
	Reason  string // CamelCase
	Message string // what is so, and what to do: the patch to apply, if there is one
	// Blocks keeps a new revision from beginning while it is true. One that is
	// on its way goes on.
	Blocks bool
}

// Conditioner is an adapter that has conditions to report. Any of the three
// kinds may be one.
type Conditioner interface {
	// Conditions returns those known now, the ones that are false included. It
	// is called after each Observe and must not wait.
	Conditions() []Condition
}

// Leaver is a router whose users' own objects may lead to what ends with the
// rollout: the Service of the stable arm.
type Leaver interface {
	// Leaving returns what has to be changed by hand before that can end, ""
	// if nothing has.
	Leaving(ctx context.Context) (waiting string, err error)
}
