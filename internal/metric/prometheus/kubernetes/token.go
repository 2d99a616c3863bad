package kubernetes

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
)

// tokenKept is for how long a token is believed before it is read again: they are
// rotated.
const tokenKept = time.Minute

// token is the key of a Secret.
type token struct {
	r    cluster.Rollout
	from v1alpha1.SecretKey
	now  func() time.Time

	mu    sync.Mutex
	value string
	read  time.Time
}

// get returns the token.
func (t *token) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value != "" && t.now().Sub(t.read) < tokenKept {
		return t.value, nil
	}
	var s corev1.Secret
	if err := t.r.Reader.Get(ctx, client.ObjectKey{Namespace: t.r.Namespace, Name: t.from.Name}, &s); err != nil {
		return "", fmt.Errorf("read the Secret %s: %w", t.from.Name, err)
	}
	value := strings.TrimSpace(string(s.Data[t.from.Key]))
	if value == "" {
		return "", fmt.Errorf("the Secret %s has nothing under the key %s", t.from.Name, t.from.Key)
	}
	t.value, t.read = value, t.now()
	return value, nil
}
