package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
)

// AnnotationRevision is the version that an Event is about.
const AnnotationRevision = "haldane.dev/revision"

// journal hands events to the API server as Events, each once: its name is
// made of its ID, so that one delivered twice is there already. An event stays
// in the rollout's state until that has succeeded. Blocks are not kept: Prometheus
// has their counts, and nobody asks a controller for them.
type journal struct {
	client client.Client
	about  types.NamespacedName
	uid    types.UID
}

// Read implements store.Journal: nothing is kept here.
func (j *journal) Read(context.Context, rollout.ID, store.RecordKind, int) ([]store.Record, error) {
	return nil, nil
}

// Append implements store.Journal.
func (j *journal) Append(ctx context.Context, _ rollout.ID, rs ...store.Record) error {
	for _, r := range rs {
		if r.Kind != store.EventRecord {
			continue
		}
		var e rollout.Event
		if err := json.Unmarshal(r.Data, &e); err != nil {
			return fmt.Errorf("read event %s: %w", r.ID, err)
		}
		if err := j.emit(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (j *journal) emit(ctx context.Context, e rollout.Event) error {
	sum := sha256.Sum256([]byte(string(j.uid) + "/" + e.ID))
	kind := corev1.EventTypeNormal
	switch e.Kind {
	case rollout.EventInvalid, rollout.EventRollback, rollout.EventRolledBack, rollout.EventDeadline, rollout.EventWarned:
		kind = corev1.EventTypeWarning
	}
	at := metav1.NewTime(e.At)
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: j.about.Namespace, Name: j.about.Name + "." + hex.EncodeToString(sum[:8]),
			Annotations: map[string]string{AnnotationRevision: e.Revision},
		},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.Kind, Namespace: j.about.Namespace, Name: j.about.Name, UID: j.uid,
		},
		Reason: string(e.Kind), Message: clipped(e.Message, 1024), Type: kind, Action: string(e.Kind),
		FirstTimestamp: at, LastTimestamp: at, EventTime: metav1.NewMicroTime(e.At), Count: 1,
		Source:              corev1.EventSource{Component: "haldane"},
		ReportingController: "haldane.dev/controller", ReportingInstance: "haldane",
	}
	if err := j.client.Create(ctx, event); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("write the event %s: %w", e.Kind, err)
	}
	return nil
}

// clipped is s in at most n bytes.
func clipped(s string, n int) string {
	const more = "…"
	if len(s) <= n {
		return s
	}
	cut := n - len(more)
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + more
}
