package v1alpha1

import (
	"strings"
	"testing"
)

const byFlag = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  endpoints: {stable: {version: v1}, canary: {version: v2}}
  strategy: {canary: {}}
  routing:
    flag: {values: {stable: false, canary: true}}
    cohorts: [{name: beta-users, keys: [ann, ben]}]
    always: [{cohort: beta-users}, {country: [NL]}, {cookie: {name: internal}}]
  analysis:
    metrics:
    - {name: conversion, mean: {of: conversion, event: checkout, maxDecrease: 0.01}}
`

func TestFlagDefaults(t *testing.T) {
	m, err := load(t, byFlag)
	if err != nil {
		t.Fatal(err)
	}
	f, x := m.Spec.Routing.Flag, m.Spec.Analysis.Metrics[0].Mean
	if f.Listen != DefaultFlagListen || f.Key != "churn" || string(f.Values.Canary) != "true" || m.Spec.Endpoints.Canary.Readiness != nil {
		t.Errorf("flag %+v, canary %+v", f, m.Spec.Endpoints.Canary)
	}
	if x.Maturity.Duration.Minutes() != 30 || x.Bounds[1] != 1 {
		t.Errorf("conversion %+v", x)
	}
}

func TestFlagRefuses(t *testing.T) {
	const flagLine, metric = "flag: {values: {stable: false, canary: true}}", "mean: {of: conversion, event: checkout, maxDecrease: 0.01}"
	for _, c := range []struct{ name, old, new, want string }{
		{"a server", "canary: {version: v2}}", "canary: {version: v2, url: http://127.0.0.1:1}}", "endpoints.canary.url: is of a server"},
		{"a command", "stable: {version: v1}", "stable: {version: v1, command: [a]}", "endpoints.stable.command: is of a server"},
		{"no version", "stable: {version: v1}", "stable: {}", "endpoints.stable.version: is missing"},
		{"no metrics", "    metrics:\n    - {name: conversion, " + metric + "}\n", "    warmup: 1s\n", "analysis.metrics: are missing"},
		{"errors", metric, "errorRate: {}", "none passes through a flag"},
		{"labels", metric, "outcome: {}", "outcome: needs to know what was predicted"},
		{"confidence", metric, "mean: {of: confidence, maxDecrease: 0.1}", "none passes through a flag"},
		{"shadow", "canary: {}}", "canary: {steps: [{shadow: {percent: 1}}, {weight: 5}, {weight: 100}]}}", "mirror requests"},
		{"sticky", flagLine, flagLine + "\n    stickyBy: {header: X}", "stickyBy: is the targetingKey"},
		{"country", flagLine, flagLine + "\n    country: {database: a.mmdb}", "country: is the attribute country"},
		{"two routers", flagLine, flagLine + "\n    gateway: {listen: \":1\"}", "contradicts"},
		{"open to all", flagLine, "flag: {listen: \":8016\"}", "write tokenFrom"},
		{"no address", flagLine, "flag: {listen: \"8016\"}", "flag.listen"},
		{"odd key", flagLine, "flag: {key: a/b}", "flag.key"},
		{"secret of a cluster", flagLine, "flag: {tokenFrom: {name: a, key: b}}", "tokenFrom"},
		{"two types", flagLine, "flag: {values: {stable: 1, canary: \"b\"}}", "values.canary: is text, and stable's a number"},
		{"one value", flagLine, "flag: {values: {stable: 1}}", "values.canary: must be"},
		{"a list", flagLine, "flag: {values: {stable: [1], canary: [2]}}", "values.stable: must be"},
		{"the same", flagLine, "flag: {values: {stable: 1, canary: 1}}", "nobody could tell"},
		{"another strategy", "canary: {}}", "blueGreen: {}}", "must be canary"},
		{"a fleet", flagLine, "flag: {fleet: {replicas: 1}}", "flag.fleet: is of a rollout on a cluster"},
		{"an odd version", "stable: {version: v1}", "stable: {version: vé}", "visible ASCII"},
		{"a large value", flagLine, "flag: {values: {stable: a, canary: " + strings.Repeat("b", 20000) + "}}", "at most 16384"},
		{"checks", "  analysis:\n", "  analysis:\n    checks: [{name: a, grpc: {}}]\n", "checks: ask the candidate's server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(byFlag, c.old) {
				t.Fatalf("%q is not in the file", c.old)
			}
			if _, err := load(t, strings.Replace(byFlag, c.old, c.new, 1)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
	for _, open := range []string{
		"flag: {listen: \":8016\", tokenFrom: {env: TOKEN}}", "flag: {listen: \"[::1]:0\"}", "flag: {values: {stable: {a: 1}, canary: {a: 2}}}",
	} {
		if _, err := load(t, strings.Replace(byFlag, flagLine, open, 1)); err != nil {
			t.Errorf("%s: %v", open, err)
		}
	}
}
