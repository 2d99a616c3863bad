package app

import (
	"context"
	"log/slog"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/tracing"
)

// traces is where spans of requests go, if anywhere.
type traces struct{ to *tracing.Tracer }

// open begins to trace if endpoint, or the environment, names a server.
func (t *traces) open(endpoint string, log *slog.Logger) error {
	if endpoint == "" && !tracing.Wanted() {
		return nil
	}
	var err error
	t.to, err = tracing.New(context.Background(), endpoint, log)
	return err
}

// tracer is what a gateway is told: nil, and no cost, where nobody traces.
func (t *traces) tracer() gateway.Tracer {
	if t.to == nil {
		return nil
	}
	return t.to
}

// close sends what is left. A server of traces that is away is no failure of
// the rollout.
func (t *traces) close(ctx context.Context, log *slog.Logger) {
	if t.to == nil {
		return
	}
	if err := t.to.Close(ctx); err != nil {
		log.Warn("some traces were not sent", "error", err)
	}
}
