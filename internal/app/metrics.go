package app

import (
	"net/http"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// metrics answers Prometheus with what l counts and decides.
func (l *local) metrics(recorder *telemetry.Recorder) (http.Handler, error) {
	value, _ := valueBounds(l.options.Rollout, "value")
	serving := func() exporter.Serving {
		now := exporter.Serving{
			Rollout:  string(l.plan.Name),
			Versions: [traffic.NumArms]string{l.plan.Stable.Version, l.plan.Canary.Version},
		}
		for _, a := range variants(l.plan) {
			now.Variants = append(now.Variants, exporter.Variant{Name: a.Name, Version: a.Version})
		}
		return now
	}
	return exporter.Handler(
		exporter.Gateway(serving, recorder.Snapshot, value),
		exporter.Rollouts(func() []engine.Status { return []engine.Status{l.engine.Status()} }),
	)
}
