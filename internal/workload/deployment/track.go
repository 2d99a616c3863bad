package deployment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/workload"
)

// tracked returns the hash of the tracked ConfigMaps and Secrets, "" if none
// are. Each is read by name; of a Secret nothing but the hash is kept.
func (w *Workload) tracked(ctx context.Context) (string, error) {
	track := w.spec().Track
	if track == nil || len(track.ConfigMaps)+len(track.Secrets) == 0 {
		return "", nil
	}
	w.mu.Lock()
	known, fresh := w.config, !w.configAt.IsZero() && w.now().Sub(w.configAt) < trackedFor
	w.mu.Unlock()
	if fresh {
		return known, nil
	}
	hash, err := w.readTracked(ctx, track)
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.config, w.configAt = hash, w.now()
	return hash, nil
}

// trackedFor is how long a reading of what is tracked is good: about one
// reconcile, which asks several times.
const trackedFor = 3 * time.Second

func (w *Workload) readTracked(ctx context.Context, track *v1alpha1.Track) (string, error) {
	sum := sha256.New()
	add := func(kind, name string, data any) error {
		text, err := json.Marshal([]any{kind, name, data})
		if err == nil {
			_, err = sum.Write(text)
		}
		return err
	}
	for _, name := range slices.Sorted(slices.Values(track.ConfigMaps)) {
		var c corev1.ConfigMap
		if err := w.r.Client.Get(ctx, w.key(name), &c); err != nil {
			return "", fmt.Errorf("read tracked ConfigMap %s: %w", name, err)
		}
		if err := add("ConfigMap", name, []any{c.Data, c.BinaryData}); err != nil {
			return "", err
		}
	}
	for _, name := range slices.Sorted(slices.Values(track.Secrets)) {
		var s corev1.Secret
		if err := w.r.Client.Get(ctx, w.key(name), &s); err != nil {
			return "", fmt.Errorf("read tracked Secret %s: %w", name, err)
		}
		if err := add("Secret", name, s.Data); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:10]), nil
}

const stableSuffix = "-stable"

// copied is the name of stable's own copy of a ConfigMap, the name itself if it
// has none.
func (w *Workload) copied(name string) string {
	if t := w.spec().Track; t != nil && t.CopyConfigMaps && slices.Contains(t.ConfigMaps, name) {
		return name + stableSuffix
	}
	return name
}

// original is the ConfigMap that one is stable's copy of.
func (w *Workload) original(name string) (string, bool) {
	from, is := strings.CutSuffix(name, stableSuffix)
	return from, is && w.copied(from) != from
}

// copyConfigMaps gives stable the tracked ConfigMaps as they are now.
func (w *Workload) copyConfigMaps(ctx context.Context, t workload.Target) error {
	track := w.spec().Track
	if track == nil || !track.CopyConfigMaps {
		return nil
	}
	for _, name := range track.ConfigMaps {
		var from, now corev1.ConfigMap
		if err := w.r.Client.Get(ctx, w.key(name), &from); err != nil {
			return fmt.Errorf("read tracked ConfigMap %s: %w", name, err)
		}
		want := &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Namespace: w.r.Namespace, Name: w.copied(name), Labels: w.stableLabels()},
			Data:       from.Data, BinaryData: from.BinaryData,
		}
		err := w.r.Client.Get(ctx, w.key(want.Name), &now)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return fmt.Errorf("read ConfigMap %s: %w", want.Name, err)
		case now.Labels[LabelWorkload] != w.spec().Name:
			return fmt.Errorf("ConfigMap %s exists and was not made by Haldane: rename it, or leave track.copyConfigMaps out", want.Name)
		default:
			if err := w.r.MayWrite(&now, t.Sequence); err != nil {
				return err
			}
			if equality.Semantic.DeepEqual(now.Data, want.Data) && equality.Semantic.DeepEqual(now.BinaryData, want.BinaryData) && now.Annotations[cluster.AnnotationOwner] == w.r.UID {
				continue
			}
			want.ResourceVersion = now.ResourceVersion
		}
		w.r.Stamp(want, t.Sequence, true)
		if err := w.apply(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

// renameConfigMaps changes every name by which a pod reads a ConfigMap.
func (w *Workload) renameConfigMaps(s *corev1.PodSpec, rename func(string) string) {
	if w.spec().Track == nil || !w.spec().Track.CopyConfigMaps {
		return
	}
	for i := range s.Volumes {
		if c := s.Volumes[i].ConfigMap; c != nil {
			c.Name = rename(c.Name)
		}
		if p := s.Volumes[i].Projected; p != nil {
			for j := range p.Sources {
				if c := p.Sources[j].ConfigMap; c != nil {
					c.Name = rename(c.Name)
				}
			}
		}
	}
	for _, all := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range all {
			for j := range all[i].EnvFrom {
				if c := all[i].EnvFrom[j].ConfigMapRef; c != nil {
					c.Name = rename(c.Name)
				}
			}
			for j := range all[i].Env {
				if from := all[i].Env[j].ValueFrom; from != nil && from.ConfigMapKeyRef != nil {
					from.ConfigMapKeyRef.Name = rename(from.ConfigMapKeyRef.Name)
				}
			}
		}
	}
}
