package app

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/ofrep"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// newFlag builds the gateway of a rollout by flag: it decides as any other, and
// forwards nothing.
func newFlag(m *v1alpha1.ModelRollout, to counting, log *slog.Logger) (*gateway.Gateway, error) {
	f := m.Spec.Routing.Flag
	mux := http.NewServeMux()
	_, date := steady()
	g, err := gateway.New(gateway.Config{
		Recorder: to.recorder, Codec: to.codec, Own: ofrep.Guard(to.token, mux), Countries: true, Date: date, Logger: log,
		OnPrediction: func(e gateway.PredictionEvent) { to.ledger.Answered(prediction(e)) },
	})
	if err != nil {
		return nil, fmt.Errorf("spec.routing.flag: %w", err)
	}
	c := ofrep.Config{Key: f.Key, Decider: g}
	if v := f.Values; v != nil {
		c.Values[traffic.Stable], c.Values[traffic.Canary] = v.Stable, v.Canary
	}
	mux.Handle("/", ofrep.New(c))
	mux.Handle(gateway.DefaultFeedbackPath, to.feedback)
	if to.events != nil {
		mux.Handle(gateway.DefaultEventsPath, to.events)
	}
	return g, nil
}
