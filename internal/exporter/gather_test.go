package exporter_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// gather scrapes c once: by name, then by each label's value.
func gather(t *testing.T, c prometheus.Collector) map[string]map[string]*dto.Metric {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]*dto.Metric{}
	for _, f := range families {
		of := map[string]*dto.Metric{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "haldane_rollout_metric_decision" && l.GetName() == "metric" {
					continue
				}
				of[l.GetValue()] = m
			}
		}
		out[f.GetName()] = of
	}
	return out
}
