package v1alpha1

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const good = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  endpoints:
    stable: {version: v1, url: http://127.0.0.1:9001}
    canary: {version: v2, url: http://127.0.0.1:9002}
  strategy:
    canary:
      steps:
      - {weight: 5}
      - {pause: {}}
      - {weight: 25}
      - {shadow: {percent: 100}}
      - {weight: 50}
      - {weight: 100}
  routing:
    gateway: {listen: ":8080"}
    stickyBy: {header: X-User-ID}
    cohorts: [{name: beta-users, keys: [ann, ben]}]
    country: {database: countries.mmdb}
    always:
    - {header: {name: x-canary, exact: "true"}}
    - {country: [NL, SE]}
    - {cohort: beta-users}
  analysis:
    metrics:
    - {name: errors, errorRate: {}}
    - {name: latency, latency: {maxSlower: {p50: 10%, p99: 20ms}, maxOver: {250ms: 1pp}}}
    - {name: answers, drift: {max: 0.05}}
    - {name: confidence, mean: {of: confidence, maxDecrease: 0.02}}
    - {name: accuracy, outcome: {maturity: 30m}}
    - {name: agreement, pairs: {maxDisagreement: 2%}, tolerate: 0}
`

func load(t *testing.T, text string) (*ModelRollout, error) {
	t.Helper()
	return Load("f.yaml", strings.NewReader(text))
}

func TestLoadFillsInDefaults(t *testing.T) {
	m, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	a := m.Spec.Analysis
	if *a.FalseRollbackProbability != 0.01 || a.Warmup.Duration != 90*time.Second || a.OnDeadline != "Hold" {
		t.Errorf("defaults: %+v", a)
	}
	e := a.Metrics[0].ErrorRate
	if e.MaxRatio != 1.25 || *e.MaxIncrease != 0.001 || *a.Metrics[0].Tolerate != 0.5 {
		t.Errorf("errors: %+v", a.Metrics[0])
	}
	if l := a.Metrics[1].Latency; l.MaxSlower["p99"].By != 20*time.Millisecond || l.MaxSlower["p50"].Share != 0.1 || l.MaxOver["250ms"] != 0.01 {
		t.Errorf("latency: %+v", l)
	}
	if d := a.Metrics[2]; d.Drift.Of != "class" || *d.Tolerate != 1 {
		t.Errorf("drift: %+v", d)
	}
	if *a.Metrics[5].Tolerate != 0 {
		t.Errorf("tolerate: 0 must stay 0, is %v", *a.Metrics[5].Tolerate)
	}
}

func TestLoadAcceptsJSON(t *testing.T) {
	_, err := load(t, `{"apiVersion":"haldane.dev/v1alpha1","kind":"ModelRollout","metadata":{"name":"a"},"spec":{
	 "endpoints":{"stable":{"version":"1","url":"http://127.0.0.1:1"},"canary":{"version":"2","url":"http://127.0.0.1:2"}},
	 "strategy":{"canary":{}},"routing":{"gateway":{"listen":"127.0.0.1:0"}}}}`)
	if err != nil {
		t.Fatal(err)
	}
}

// Every case changes one thing of the good file and must be refused in one
// line that holds the path and what to do.
func TestLoadRefuses(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"unknown field", "weight: 5}", "wieght: 5}", "f.yaml:11: spec.strategy.canary.steps[0].wieght: unknown field: did you mean weight?"},
		{"wrong type", "{weight: 25}", "{weight: lots}", `spec.strategy.canary.steps[2].weight: "lots" is no percentage`},
		{"text for list", "country: [NL, SE]", "country: NL", `spec.routing.always[1].country: is the text "NL": write a list`},
		{"fields for text", "version: v1", "version: {a: b}", "spec.endpoints.stable.version: is a set of fields"},
		{"number for text", "version: v1", "version: 1", "spec.endpoints.stable.version: is the number 1: write a text (in quotes"},
		{"two strategies", "  routing:", "    blueGreen: {}\n  routing:", "spec.strategy.blueGreen: contradicts canary"},
		{"weights that fall", "{weight: 50}", "{weight: 20}", "steps[4].weight: falls from 25% to 20%"},
		{"does not end", "      - {weight: 100}\n", "", "the last step must be {weight: 100}"},
		{"two kinds in a step", "{weight: 25}", "{weight: 25, pause: {}}", "steps[2].pause: contradicts weight"},
		{"no evidence", "analysis:", "analysis:\n    falseRollbackProbability: 0", "falseRollbackProbability: is 0%"},
		{"percent over five", "{name: errors, errorRate: {}}", "{name: errors, errorRate: {maxIncrease: 25%}}", "write 25pp, or maxRatio: 1.25"},
		{"no unit", "{name: errors, errorRate: {}}", "{name: errors, errorRate: {maxIncrease: 0.5}}", "write 0.5pp"},
		{"no margin", "{name: errors, errorRate: {}}", "{name: errors, errorRate: {maxRatio: 1}}", "leaves no margin"},
		{"two kinds of metric", "drift: {max: 0.05}", "drift: {max: 0.05}, errorRate: {}", "metrics[2].drift: contradicts errorRate"},
		{"same name twice", "name: latency", "name: errors", "metrics[1].name: is \"errors\""},
		{"undefined cohort", "{cohort: beta-users}", "{cohort: alpha}", `always[2].cohort: "alpha" is not defined`},
		{"country unknown", "    country: {database: countries.mmdb}\n", "", "say under routing.country"},
		{"same version", "version: v2", "version: v1", "spec.endpoints.canary.version"},
		{"bad url", "http://127.0.0.1:9002", "127.0.0.1:9002", "spec.endpoints.canary.url"},
		{"cluster's router", `gateway: {listen: ":8080"}`, "istio: {virtualService: a}", "spec.routing.istio: is a router of a cluster"},
		{"port", ":8080", ":808080", "spec.routing.gateway.listen"},
		{"duration", "maturity: 30m", "maturity: 30", "metrics[4].outcome.maturity: 30 is no duration"},
		{"labels too late", "maturity: 30m", "maturity: 3h", "labels would come after maxDuration"},
		{"weights that stay", "{weight: 25}", "{weight: 5}", "steps[2].weight: stays at 5%"},
		{"full before the end", "{weight: 50}", "{weight: 100}", "steps[4].weight: is 100% before the end"},
		{"hooks", "  routing:", "  hooks: [{when: confirmStart, url: http://a}]\n  routing:", `spec.hooks[0].when: is "confirmStart": write one of confirmRollout, preRollout`},
		{"shadow without pairs", "    - {name: agreement, pairs: {maxDisagreement: 2%}, tolerate: 0}\n", "", "f.yaml:14: spec.strategy.canary.steps[3].shadow: would never end: mirrored answers are compared by a metric of pairs, and there is none. Add {name: agreement, pairs: {maxDisagreement: 2%}}"},
		{"drift of a value without bounds", "drift: {max: 0.05}", "drift: {of: value, max: 0.05}", "metrics[2].drift.bounds: must be the least and the greatest"},
		{"drift of a value with one bound", "drift: {max: 0.05}", "drift: {of: value, max: 0.05, bounds: [3]}", "metrics[2].drift.bounds: must be the least and the greatest"},
		{"drift of a value, bounds turned", "drift: {max: 0.05}", "drift: {of: value, max: 0.05, bounds: [3, 1]}", "metrics[2].drift.bounds: must be the least and the greatest"},
		{"drift of a class with bounds", "drift: {max: 0.05}", "drift: {max: 0.05, bounds: [0, 1]}", "metrics[2].drift.bounds: are of values alone"},
		{"drift of something", "drift: {max: 0.05}", "drift: {of: mood, max: 0.05}", `metrics[2].drift.of: is "mood": write one of class, confidence, value`},
		{"drift without a limit", "drift: {max: 0.05}", "drift: {max: 0}", "metrics[2].drift.max: is 0: write how far"},
		{"two ranges of a value", "    - {name: accuracy,", "    - {name: a, mean: {of: value, bounds: [0, 9], maxIncrease: 1}}\n    - {name: b, drift: {of: value, max: 5%, bounds: [0, 8]}}\n    - {name: accuracy,",
			"metrics[5].drift.bounds: are others than those of value before (0 to 9)"},
		{"range of a confidence", "mean: {of: confidence, maxDecrease: 0.02}", "mean: {of: confidence, bounds: [0, 100], maxDecrease: 2}", "metrics[3].mean.bounds: of a confidence are [0, 1]"},
		{"mean both ways", "mean: {of: confidence, maxDecrease: 0.02}", "mean: {of: confidence, maxDecrease: 0.02, maxIncrease: 0.02}", "metrics[3].mean: needs exactly one of maxDecrease"},
		{"pairs without shadow", "      - {shadow: {percent: 100}}\n", "", "metrics[5].pairs: are of mirrored requests, and nothing is mirrored"},
		{"twice", "metadata: {name: churn}", "metadata: {name: churn, name: b}", "metadata.name: is written twice"},
		{"null", "version: v1", "version: null", "has no value"},
		{"other kind", "kind: ModelRollout", "kind: Rollout", "kind: is \"Rollout\": write ModelRollout"},
		{"two documents", "kind: ModelRollout", "kind: ModelRollout\n---\na: b\n---", "more than one document"},
		{"not yaml", "metadata: {name: churn}", "metadata: {name: churn", "line "},
		{"quantile", "p50: 10%", "median: 10%", "maxSlower.median: is no quantile"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := strings.Replace(good, tc.old, tc.new, 1)
			if text == good {
				t.Fatal("the case changes nothing")
			}
			_, err := load(t, text)
			if err == nil {
				t.Fatal("accepted")
			}
			first, _, _ := strings.Cut(err.Error(), "\n")
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error:\n%v\nwant in it:\n%s", err, tc.want)
			}
			if !strings.HasPrefix(first, "f.yaml") {
				t.Errorf("the line does not begin with the file: %s", first)
			}
			if p := (*Problems)(nil); !errors.As(err, &p) {
				t.Errorf("error is a %T, want *Problems", err)
			}
		})
	}
}

// TestLoadAcceptsValues: means and drifts of one number share its bounds.
func TestLoadAcceptsValues(t *testing.T) {
	const more = "    - {name: a, mean: {of: value, bounds: [0, 9], maxIncrease: 1}}\n" +
		"    - {name: b, drift: {of: value, max: 5%, bounds: [0, 9]}}\n" +
		"    - {name: c, mean: {of: feedback, bounds: [-5, 5], maxDecrease: 1}}\n" +
		"    - {name: d, drift: {of: confidence, max: 5%}}\n"
	m, err := load(t, good+more)
	if err != nil {
		t.Fatal(err)
	}
	if d := m.Spec.Analysis.Metrics[7].Drift; len(d.Bounds) != 2 || d.Bounds[1] != 9 {
		t.Errorf("drift %+v", d)
	}
}

func TestLoadEmptyAndHuge(t *testing.T) {
	if _, err := load(t, ""); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("empty: %v", err)
	}
	if _, err := load(t, strings.Repeat("#\n", MaxFile)); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("huge: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(good)
	f.Add("a: &a [*a]")
	f.Add("apiVersion: haldane.dev/v1alpha1\nkind: ModelRollout\nspec: {strategy: {canary: {steps: [{}]}}}")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Load("f", strings.NewReader(text))
		if err == nil {
			if again := m.Validate(); len(again) > 0 {
				t.Errorf("accepted, then refused: %v", again)
			}
		}
	})
}

// TestLoadOfTabs: what many editors put in is named.
func TestLoadOfTabs(t *testing.T) {
	_, err := Load("f.yaml", strings.NewReader("apiVersion: haldane.dev/v1alpha1\nkind: ModelRollout\nspec:\n\trouting: {}\n"))
	if err == nil || !strings.Contains(err.Error(), "line 4") || !strings.Contains(err.Error(), "indent with spaces") {
		t.Errorf("%v", err)
	}
}
