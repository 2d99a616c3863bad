package gatewayapi_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/router/gatewayapi"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// countingReader counts how often Gateways and their classes are asked for.
type countingReader struct {
	client.Reader
	asked int
}

func (r *countingReader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if strings.HasPrefix(o.GetObjectKind().GroupVersionKind().Kind, "Gateway") {
		r.asked++
	}
	return r.Reader.Get(ctx, key, o, opts...)
}

// TestFeaturesAreRemembered: a rollout that is applied every 30 seconds asks for
// its Gateway and the class of that once in five minutes.
func TestFeaturesAreRemembered(t *testing.T) {
	w := world(t, ownHTTP(), class)
	reader := &countingReader{Reader: w.Rollout.Reader}
	w.Rollout.Reader = reader
	r := gatewayapi.New(w.Rollout)
	now := time.Unix(1000, 0)
	r.SetClock(func() time.Time { return now })
	for range 120 {
		apply(t, r, traffic.Split{Generation: 1, Canary: 500})
		now = now.Add(30 * time.Second)
	}
	if reader.asked != 2*12 {
		t.Errorf("in an hour the API server was asked %d times, want twice in five minutes", reader.asked)
	}
}
