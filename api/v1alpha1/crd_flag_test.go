package v1alpha1

import (
	"strings"
	"testing"
)

const flagOnCluster = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: recommender}
spec:
  endpoints: {stable: {version: v1}, canary: {version: v2}}
  strategy: {canary: {steps: [{weight: 5}, {pause: {for: 1m}}, {weight: 50}, {weight: 100}]}}
  routing:
    flag:
      values: {stable: {model: small}, canary: {model: large}}
      tokenFrom: {name: recommender-flag, key: token}
    cohorts: [{name: beta-users, keys: [ann, ben]}]
    always: [{cohort: beta-users}, {country: [NL]}, {cookie: {name: internal}}]
    never: [{cohort: beta-users}]
  analysis:
    source: {prometheus: {address: "http://prometheus.monitoring:9090", preset: haldane}}
    metrics:
    - {name: conversion, mean: {of: conversion, event: checkout, maxDecrease: 0.01}}
    - {name: rating, mean: {of: feedback, bounds: [0, 5], maxDecrease: 0.1}}
`

const (
	tokenLine  = "      tokenFrom: {name: recommender-flag, key: token}\n"
	valuesLine = "      values: {stable: {model: small}, canary: {model: large}}\n"
	metricLine = "mean: {of: conversion, event: checkout, maxDecrease: 0.01}"
)

var flagAgreements = []agreement{
	{"no endpoints", "  endpoints: {stable: {version: v1}, canary: {version: v2}}\n", "", true},
	{"a workload too", "  strategy:", "  workload: {name: churn}\n  strategy:", true},
	{"a server", "canary: {version: v2}", "canary: {version: v2, url: \"http://127.0.0.1:1\"}", true},
	{"a command", "stable: {version: v1}", "stable: {version: v1, command: [a]}", true},
	{"a probe", "stable: {version: v1}", "stable: {version: v1, readiness: {path: /ready}}", true},
	{"no version", "stable: {version: v1}", "stable: {}", true},
	{"an odd version", "stable: {version: v1}", "stable: {version: vé}", true},
	{"one version", "canary: {version: v2}", "canary: {version: v1}", true},
	{"variants", "canary: {version: v2}", "canary: {version: v2}, variants: {b: {version: v3}}", true},
	{"without values", valuesLine, "", false},
	{"numbers", valuesLine, "      values: {stable: 1, canary: 2.5}\n", false},
	{"truth values", valuesLine, "      values: {stable: false, canary: true}\n", false},
	{"text", valuesLine, "      values: {stable: small, canary: large}\n", false},
	{"one value", valuesLine, "      values: {stable: 1}\n", true},
	{"everything", tokenLine, tokenLine + "      listen: \":9000\"\n      key: recommender.model\n      fleet: {replicas: 3, service: ask}\n", false},
	{"no token", tokenLine, "", true},
	{"token of one machine", tokenLine, "      tokenFrom: {env: TOKEN}\n", true},
	{"no port", tokenLine, tokenLine + "      listen: everywhere\n", true},
	{"odd key", tokenLine, tokenLine + "      key: a/b\n", true},
	{"no replicas", tokenLine, tokenLine + "      fleet: {replicas: -1}\n", true},
	{"odd service", tokenLine, tokenLine + "      fleet: {service: Ask}\n", true},
	{"another router", "    flag:\n", "    replicas: {}\n    flag:\n", true},
	{"sticky", "    cohorts:", "    stickyBy: {header: X}\n    cohorts:", true},
	{"country", "    cohorts:", "    country: {header: X}\n    cohorts:", true},
	{"undefined cohort", "always: [{cohort: beta-users}", "always: [{cohort: alpha}", true},
	{"blue-green", "canary: {steps: [{weight: 5}, {pause: {for: 1m}}, {weight: 50}, {weight: 100}]}", "blueGreen: {}", true},
	{"shadow step", "{pause: {for: 1m}}", "{shadow: {percent: 10}}", true},
	{"no metrics", "    metrics:\n    - {name: conversion, " + metricLine + "}\n    - {name: rating, mean: {of: feedback, bounds: [0, 5], maxDecrease: 0.1}}\n", "", true},
	{"errors", metricLine, "errorRate: {}", true},
	{"labels", metricLine, "outcome: {}", true},
	{"confidence", metricLine, "mean: {of: confidence, maxDecrease: 0.1}", true},
	{"events", metricLine, "mean: {of: event, event: spent, bounds: [0, 100], maxDecrease: 1}", false},
	{"checks", "    source:", "    checks: [{name: a, grpc: {}}]\n    source:", true},
	{"load", "    source:", "    load: {rate: 1, requests: [{path: /}]}\n    source:", true},
	{"counts of a mesh", "preset: haldane", "preset: istio", true},
	{"counts by pod", "preset: haldane", "preset: haldane, armBy: {pod: pod}", true},
	{"no source", "    source: {prometheus: {address: \"http://prometheus.monitoring:9090\", preset: haldane}}\n", "", true},
	{"guardrails", "    source:", "    guardrails: [{name: cost, query: \"sum(cost)\", max: 5}]\n    source:", false},
	{"predictions", "  strategy:", "  inference: {classes: [\"no\", \"yes\"]}\n  strategy:", true},
	{"nothing of predictions", "  strategy:", "  inference: {threshold: 0.5}\n  strategy:", false},
	{"kept", "  strategy:", "  onDelete: Keep\n  paused: true\n  strategy:", false},
	{"on delete", "  strategy:", "  onDelete: Forget\n  strategy:", true},
}

func TestFlagOnClusterDefaults(t *testing.T) {
	m, err := LoadCluster("f.yaml", strings.NewReader(flagOnCluster))
	if err != nil {
		t.Fatal(err)
	}
	f := m.Spec.Routing.Flag
	if f.Listen != ":8016" || f.Key != "recommender" || f.Fleet.Replicas != 2 || f.Fleet.Service != "recommender-flag" {
		t.Errorf("flag %+v, fleet %+v", f, f.Fleet)
	}
	if e := m.Spec.Endpoints; e.Canary.Readiness != nil || m.Spec.Workload != nil {
		t.Errorf("endpoints %+v", e)
	}
}

// TestFlagValuesOnCluster: what an API server cannot see is refused by the reader,
// and so by the controller.
func TestFlagValuesOnCluster(t *testing.T) {
	for values, want := range map[string]string{
		"{stable: 1, canary: b}": "values.canary: is text", "{stable: [1], canary: [2]}": "must be text", "{stable: 1, canary: 1}": "nobody could tell",
	} {
		_, err := LoadCluster("f.yaml", strings.NewReader(strings.Replace(flagOnCluster, valuesLine, "      values: "+values+"\n", 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", values, err, want)
		}
	}
}
