package demo

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// scenario is one candidate and what should become of it.
type scenario struct {
	name    string
	about   string // of the candidate, for a person
	culprit string // metric that must be named at the rollback; "" means that it is promoted
}

var scenarios = []scenario{
	{"good", "a candidate that is no worse", ""},
	{"wrong", "a candidate that is quick, never fails, and is wrong more often", "accuracy"},
	{"slow", "a candidate that waits 40 to 60 ms for every answer", "latency"},
	{"errors", "a candidate that fails for some customers", "errors"},
	{"drift", "a candidate whose answers are distributed differently", "answers"},
}

// Scenarios names what Run can play.
func Scenarios() []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

// find returns the scenario of that name.
func find(name string) (scenario, error) {
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
	if i < 0 {
		return scenario{}, fmt.Errorf("no scenario is named %q: choose one of %s", name, strings.Join(Scenarios(), ", "))
	}
	return scenarios[i], nil
}

// phase is where the scenario should end.
func (s scenario) phase() rollout.Phase {
	if s.culprit == "" {
		return rollout.Promoted
	}
	return rollout.RolledBack
}

// expected reports whether a rollout that ended so, failing for these metrics,
// is what the scenario is made to show.
func (s scenario) expected(o engine.Outcome, culprits []string) bool {
	if o.Phase != s.phase() {
		return false
	}
	return s.culprit == "" || slices.ContainsFunc(culprits, func(name string) bool {
		return name == s.culprit || strings.HasPrefix(name, s.culprit+" ") || strings.HasPrefix(name, s.culprit+".")
	})
}

// culprits are the metrics a verdict fails for.
func culprits(v analysis.Verdict) []string {
	if v.Decision != analysis.Fail {
		return nil
	}
	return v.Culprits
}

// document is the rollout of every scenario: the program's path, and the name of
// the scenario. The latency's margin leaves room for a busy machine, and is one of
// the median: these models answer in less than a millisecond, so that on a busy
// machine their upper quantiles are the scheduler's, which jumps too much from one
// second to the next for three minutes to tell anything from it.
const document = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: demo}
spec:
  endpoints:
    stable:
      version: v1
      command: [%[1]q, model, --variant, v1, --listen, "{address}"]
      readiness: {path: /v2/health/ready, interval: 200ms}
    canary:
      version: %[2]q
      command: [%[1]q, model, --variant, %[2]q, --listen, "{address}"]
      readiness: {path: /v2/health/ready, interval: 200ms}
  strategy:
    canary:
      steps: [{weight: 5}, {weight: 25}, {weight: 50}, {weight: 100}]
      scaleDownDelay: 1s
  routing:
    gateway: {listen: "127.0.0.1:0"}
  analysis:
    interval: 1s
    warmup: 3s
    maxDuration: 170s
    onDeadline: Hold
    metrics:
    - {name: errors, errorRate: {maxIncrease: 2pp}}
    - {name: latency, latency: {maxSlower: {p50: 20ms}}}
    - {name: answers, drift: {max: 0.10}}
    - {name: accuracy, outcome: {maxDecrease: 5pp, maturity: 4s}}
`

// load returns the rollout of the scenario, in which program serves the models.
func (s scenario) load(program string) (*v1alpha1.ModelRollout, error) {
	text := fmt.Sprintf(document, program, s.name)
	return v1alpha1.Load("demo.yaml", strings.NewReader(text))
}

// own returns the rollout in which this program serves the models.
func (s scenario) own() (*v1alpha1.ModelRollout, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return s.load(program)
}
