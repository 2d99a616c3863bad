package exporter_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/telemetry"
)

// TestEveryMetricIsDocumented: docs/metrics.md has a row for each metric, with
// its labels, and none for what is no metric.
func TestEveryMetricIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(haldane_[a-z_]+)` \\| (.*?) \\|").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = regexp.MustCompile("`([a-z]+)`").FindAllString(m[2], -1)
	}
	r := recorder(telemetry.Options{})
	descs := make(chan *prometheus.Desc, 1000)
	exporter.Gateway(serving, r.Snapshot, telemetry.Bounds{}).Describe(descs)
	exporter.OfFeedback(serving, func() (exporter.Feedback, error) { return exporter.Feedback{}, nil }).Describe(descs)
	exporter.Rollouts(func() []engine.Status { return nil }).Describe(descs)
	close(descs)
	n := 0
	parts := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	for d := range descs {
		m := parts.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		n++
		var labels []string
		for _, l := range regexp.MustCompile(`[a-z]+`).FindAllString(m[2], -1) {
			if l != "rollout" { // said once, above the tables
				labels = append(labels, "`"+l+"`")
			}
		}
		got, ok := rows[m[1]]
		switch {
		case !ok:
			t.Errorf("%s is not documented", m[1])
		case !slices.Equal(got, labels):
			t.Errorf("%s is documented with the labels %v, it has %v", m[1], got, labels)
		}
		delete(rows, m[1])
	}
	for name := range rows {
		t.Errorf("%s is documented and is no metric", name)
	}
	if n < 40 {
		t.Errorf("only %d metrics were looked at", n)
	}
}
