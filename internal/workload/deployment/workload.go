package deployment

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/workload"
)

// The marks of this package, beside those of package cluster.
const (
	// LabelWorkload, on stable and its pods, is the name of the candidate.
	LabelWorkload = "haldane.dev/workload"
	// AnnotationReplicas, on stable, is how many pods it has when it serves
	// everything, while some of them are taken away.
	AnnotationReplicas = "haldane.dev/replicas"
	// AnnotationConfig is the hash of the tracked ConfigMaps and Secrets that
	// pods were started with: of stable on its pod template, of the candidate
	// on the Deployment.
	AnnotationConfig = "haldane.dev/config"
	// AnnotationWrote, on the candidate, is the number of replicas that Haldane
	// wrote last.
	AnnotationWrote = "haldane.dev/wrote-replicas"
	// AnnotationContested, on the candidate, counts how often somebody else
	// rewrote it, and says when that was last, and who did it.
	AnnotationContested = "haldane.dev/contested"
)

// roleStable is the value of cluster.LabelRole on stable and its pods.
const roleStable = "stable"

// Workload is the two Deployments of one rollout.
type Workload struct {
	r     cluster.Rollout
	kinds *Kinds
	now   func() time.Time
	lag   time.Duration // see propagation

	mu         sync.Mutex
	conditions []cluster.Condition
	setsOf     string // resourceVersion of the candidate that known is about
	known      sets
	config     string    // hash of what is tracked
	configAt   time.Time // when that was read
}

var (
	_ cluster.Workload    = (*Workload)(nil)
	_ cluster.Conditioner = (*Workload)(nil)
)

// New returns the workload of a rollout whose Spec.Workload is set. All of a
// controller share kinds. Nothing is read or written before the first call.
func New(r cluster.Rollout, kinds *Kinds) *Workload {
	return &Workload{r: r, kinds: kinds, now: time.Now, lag: propagation}
}

func (w *Workload) spec() *v1alpha1.Workload { return w.r.Spec.Workload }

// pair reports whether both Deployments are the user's own.
func (w *Workload) pair() bool { return w.spec().Pair != nil }

// keepsTraffic reports whether promotion leaves traffic on the candidate.
func (w *Workload) keepsTraffic() bool { return w.pair() && w.spec().Pair.Promotion == "Traffic" }

// scene is what there is at one look. Nobody writes to it.
type scene struct {
	stable    *appsv1.Deployment // nil if there is none
	candidate *appsv1.Deployment // nil if there is none
	config    string             // hash of what is tracked, now
}

// look reads both Deployments and what is tracked.
func (w *Workload) look(ctx context.Context) (scene, error) {
	var s scene
	var err error
	if s.stable, err = w.deployment(ctx, w.spec().StableName); err != nil {
		return s, err
	}
	if s.candidate, err = w.deployment(ctx, w.spec().Name); err != nil {
		return s, err
	}
	s.config, err = w.tracked(ctx)
	return s, err
}

// deployment returns nil if there is none of that name.
func (w *Workload) deployment(ctx context.Context, name string) (*appsv1.Deployment, error) {
	var d appsv1.Deployment
	err := w.r.Client.Get(ctx, client.ObjectKey{Namespace: w.r.Namespace, Name: name}, &d)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Deployment %s: %w", name, err)
	}
	return &d, nil
}

// ours reports whether stable is there and this rollout's.
func (w *Workload) ours(s scene) bool {
	return s.stable != nil && s.stable.Annotations[cluster.AnnotationOwner] == w.r.UID
}

// Apply implements workload.Workload. It refuses to do anything before Prepare
// has made what it needs.
func (w *Workload) Apply(ctx context.Context, t workload.Target, s rollout.Scale) error {
	sc, err := w.look(ctx)
	if err != nil {
		return err
	}
	if !w.ours(sc) {
		return fmt.Errorf("scale %s: it is not prepared: Deployment %s is missing", w.spec().Name, w.spec().StableName)
	}
	promoted := ""
	if s.Promoted && !w.keepsTraffic() {
		promoted = s.Revision
	}
	if err := w.r.Notes.Put(ctx, notePromoted, []byte(promoted)); err != nil {
		return fmt.Errorf("remember which revision is being promoted: %w", err)
	}
	if err := w.noteTemplates(ctx, sc, s); err != nil {
		return fmt.Errorf("remember what the arms run: %w", err)
	}
	sizes := w.sizes(s, full(sc.stable))
	if sc.candidate == nil {
		return w.applyStable(ctx, t, sc, rollout.Scale{Stable: true}, w.sizes(rollout.Scale{Stable: true}, sizes.all))
	}
	// Where pods make room for others, those that go go first.
	if s.Canary && *sc.candidate.Spec.Replicas < sizes.canary {
		if err := w.applyStable(ctx, t, sc, s, sizes); err != nil {
			return err
		}
		return w.applyCandidate(ctx, t, sc, s, sizes.canary)
	}
	if err := w.applyCandidate(ctx, t, sc, s, sizes.canary); err != nil {
		return err
	}
	return w.applyStable(ctx, t, sc, s, sizes)
}

// Revisions implements cluster.Workload.
func (w *Workload) Revisions(ctx context.Context, _ workload.Target) (stable, canary rollout.Revision, err error) {
	sc, err := w.look(ctx)
	switch {
	case err != nil:
		return stable, canary, err
	case sc.stable == nil && sc.candidate == nil:
		return stable, canary, fmt.Errorf("the Deployment %s %w, and so is %s", w.spec().Name, cluster.ErrGone, w.spec().StableName)
	case sc.stable == nil:
		return stable, canary, fmt.Errorf("the Deployment %s does not exist: it is made when %s is available", w.spec().StableName, w.spec().Name)
	}
	stable = w.stableRevision(sc)
	if sc.candidate == nil {
		return stable, stable, nil // deleted: there is no candidate
	}
	canary, err = w.candidateRevision(ctx, sc, stable)
	if canary.Version == stable.Version && canary.Hash != stable.Hash {
		canary.Version += "-" + canary.Hash[:7]
	}
	return stable, canary, err
}

// candidateRevision is that of the candidate's template or, while one that was
// promoted has not been copied yet, still that one: an edit in between would
// take its traffic back to what it has replaced.
func (w *Workload) candidateRevision(ctx context.Context, sc scene, stable rollout.Revision) (rollout.Revision, error) {
	newest := w.revision(&sc.candidate.Spec.Template, sc, sc.config)
	promoted, err := w.r.Notes.Get(ctx, notePromoted)
	if err != nil {
		return newest, fmt.Errorf("which revision is being promoted: %w", err)
	}
	config := sc.candidate.Annotations[AnnotationConfig]
	if h := string(promoted); h == "" || h == stable.Hash || h == newest.Hash || config != sc.config {
		return newest, nil
	}
	has, err := w.sets(ctx, sc.candidate)
	if set := has.only(); set != nil {
		if r := w.revision(&set.Spec.Template, sc, config); r.Hash == string(promoted) {
			return r, nil
		}
	}
	return newest, err
}

// Conditions implements cluster.Conditioner.
func (w *Workload) Conditions() []cluster.Condition {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]cluster.Condition(nil), w.conditions...)
}

func (w *Workload) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.r.Namespace, Name: name}
}

// patch writes what f changes on a Deployment of the user's own, on top of the
// very version that was read, and only if it changes anything.
func (w *Workload) patch(ctx context.Context, t workload.Target, d *appsv1.Deployment, what string, f func(*appsv1.Deployment)) error {
	if err := w.r.MayWrite(d, t.Sequence); err != nil {
		return err
	}
	next := d.DeepCopy()
	f(next)
	if same(d, next) {
		return nil
	}
	w.r.Stamp(next, t.Sequence, false)
	err := w.r.Client.Patch(ctx, next, client.MergeFromWithOptions(d, client.MergeFromWithOptimisticLock{}), client.FieldOwner(cluster.FieldManager))
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, d.Name, err)
	}
	return nil
}

func annotate(o metav1.Object, key, value string) {
	marks := o.GetAnnotations()
	if value == "" {
		delete(marks, key)
		return
	}
	if marks == nil {
		marks = map[string]string{}
	}
	marks[key] = value
	o.SetAnnotations(marks)
}
