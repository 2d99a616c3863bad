package sourcetest_test

import (
	"errors"
	"testing"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/metric/sourcetest"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestFakeKeepsTheContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		l := &sourcetest.Ledger{}
		return sourcetest.Harness{
			Source:  &sourcetest.Fake{Ledger: l},
			Query:   metric.Query{Rollout: "churn", Revision: "b", Metrics: []metric.Metric{{Name: "errors", Kind: analysis.ErrorRate}}},
			Errors:  "errors",
			Serve:   func(_ *testing.T, a traffic.Arm, n, bad int) { l.Serve(a, n, bad) },
			Reopen:  func(*testing.T) metric.Source { return &sourcetest.Fake{Ledger: l} },
			Lasting: true,
			Break: func(*testing.T) func() {
				l.Fail(errors.New("connection refused"))
				return func() { l.Fail(nil) }
			},
		}
	})
}
