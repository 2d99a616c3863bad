package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// FieldManager owns the fields that Haldane writes by server-side apply.
const FieldManager = "haldane"

// The marks on what Haldane writes.
const (
	// LabelRollout names the rollout, in the same namespace, that an object
	// belongs to; the controller wakes that rollout when the object changes.
	LabelRollout = "haldane.dev/rollout"
	// LabelRole is stable or canary.
	LabelRole = "haldane.dev/role"
	// AnnotationOwner is the UID of the rollout that has claimed an object.
	AnnotationOwner = "haldane.dev/owner"
	// AnnotationDecision is the sequence of the decision last written.
	AnnotationDecision = "haldane.dev/decision"
)

// The errors of adapters.
var (
	// ErrClaimed means that the object belongs to another rollout.
	ErrClaimed = errors.New("belongs to another rollout")
	// ErrStale means that a later decision has been written already.
	ErrStale = errors.New("a later decision has been written already")
	// ErrGone means that the user's own workload does not exist any more: there
	// is nothing to put back.
	ErrGone = errors.New("is gone")
)

// Rollout is what an adapter is told of the rollout it works for.
type Rollout struct {
	Namespace string
	Name      string
	UID       string // of the ModelRollout
	// Spec is defaulted and valid. It is shared: nobody writes.
	Spec *v1alpha1.Spec
	// Client reads from a cache and writes to the API server. Secrets,
	// ConfigMaps, Pods and ReplicaSets are not cached.
	Client client.Client
	// Reader asks the API server itself.
	Reader client.Reader
	Notes  Notes
	// Exists reports whether a ModelRollout with a UID exists: what a vanished
	// one has claimed is free.
	Exists func(uid string) bool
	Logger *slog.Logger
}

// ID is the rollout's name as the pure core knows it.
func (r Rollout) ID() string { return r.Namespace + "/" + r.Name }

// StableService and CanaryService name the Services that Haldane makes, each
// selecting the pods of one arm.
func (r Rollout) StableService() string { return r.service("-stable") }

// CanaryService is the Service of the candidate's pods.
func (r Rollout) CanaryService() string { return r.service("-canary") }

// service is "" for a rollout whose arms run where no Service leads.
func (r Rollout) service(suffix string) string {
	if r.Spec.Workload == nil {
		return ""
	}
	return r.Spec.Workload.Name + suffix
}

// MaxNote bounds one note, in bytes.
const MaxNote = 64 << 10

// Notes is what an adapter remembers across restarts. Safe for concurrent use.
type Notes interface {
	// Get returns a note, nil if there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put keeps a note of at most MaxNote bytes; an empty one is none. It is durable
	// when Put returns nil. Equal notes cost no write.
	Put(ctx context.Context, key string, value []byte) error
}

// MayWrite refuses to write obj, as it was read, for the decision of a
// sequence: with ErrClaimed if another rollout has it, with ErrStale if a
// later decision was written. Nil for an object that does not exist.
func (r Rollout) MayWrite(obj metav1.Object, sequence uint64) error {
	if obj == nil {
		return nil
	}
	marks := obj.GetAnnotations()
	if owner := marks[AnnotationOwner]; owner != "" && owner != r.UID && r.Exists(owner) {
		return fmt.Errorf("%s/%s %w (%s): the first to claim it has it; delete that one, or route something else",
			obj.GetNamespace(), obj.GetName(), ErrClaimed, orUnknown(obj.GetLabels()[LabelRollout]))
	}
	written, err := strconv.ParseUint(marks[AnnotationDecision], 10, 64)
	if err == nil && written > sequence && marks[AnnotationOwner] == r.UID {
		return fmt.Errorf("%s/%s: %w: this is decision %d, and %d is there", obj.GetNamespace(), obj.GetName(), ErrStale, sequence, written)
	}
	return nil
}

// Stamp marks obj as written by the decision of a sequence. The label wakes
// the rollout when the object changes; label is false for objects of the
// user's own, which get the annotations alone.
func (r Rollout) Stamp(obj metav1.Object, sequence uint64, label bool) {
	marks := obj.GetAnnotations()
	if marks == nil {
		marks = map[string]string{}
	}
	marks[AnnotationOwner] = r.UID
	marks[AnnotationDecision] = strconv.FormatUint(sequence, 10)
	obj.SetAnnotations(marks)
	if !label {
		return
	}
	labels := obj.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelRollout] = r.Name
	obj.SetLabels(labels)
}

// Unstamp removes what Stamp has written.
func (r Rollout) Unstamp(obj metav1.Object) {
	marks, labels := obj.GetAnnotations(), obj.GetLabels()
	delete(marks, AnnotationOwner)
	delete(marks, AnnotationDecision)
	delete(labels, LabelRollout)
	obj.SetAnnotations(marks)
	obj.SetLabels(labels)
}

func orUnknown(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}
