package workloadtest_test

import (
	"testing"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload/workloadtest"
)

func TestFakeKeepsTheContract(t *testing.T) {
	workloadtest.Run(t, func(*testing.T) workloadtest.Harness {
		revisions := map[rollout.Role]string{traffic.Stable: "a", traffic.Canary: "b"}
		f := &workloadtest.Fake{Revisions: revisions}
		return workloadtest.Harness{
			Workload: f, Revisions: revisions,
			Running: func(_ *testing.T, r rollout.Role) int {
				if s := f.Scale(); r == traffic.Stable && s.Stable || r == traffic.Canary && s.Canary {
					return 1
				}
				return 0
			},
		}
	})
}
