package v1alpha1

const experimentOnCluster = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  workload: {name: churn}
  strategy:
    experiment:
      arms: [{name: stable, weight: 60}, {name: canary, weight: 40, always: [{header: {name: X-Arm}}, {country: [NL]}, {cohort: staff}]}]
      goal: {mean: {of: event, event: checkout, bounds: [0, 50], maturity: 20m, missing: zero}, minEffect: 0.5}
      confidence: 95%
      minDuration: 1h
      maxDuration: 24h
      allocation: Thompson
      floor: 10%
      allocateEvery: 5m
      then: Promote
      scaleDownDelay: 30s
      readyWithin: 10m
  routing:
    gateway: {trustedProxies: [10.0.0.0/8]}
    stickyBy: {header: X-User-ID}
    cohorts: [{name: staff, keys: [ann]}]
    country: {header: X-Country}
    never: [{header: {name: X-Writes}}]
  analysis:
    source: {prometheus: {address: "http://prometheus:9090", preset: haldane}}
    metrics: [{name: errors, errorRate: {}}]
`

const (
	experimentArms    = "      arms: [{name: stable, weight: 60}, {name: canary, weight: 40, always: [{header: {name: X-Arm}}, {country: [NL]}, {cohort: staff}]}]\n"
	experimentGoal    = "{mean: {of: event, event: checkout, bounds: [0, 50], maturity: 20m, missing: zero}, minEffect: 0.5}"
	experimentRouting = "    gateway: {trustedProxies: [10.0.0.0/8]}\n    stickyBy: {header: X-User-ID}\n    cohorts: [{name: staff, keys: [ann]}]\n    country: {header: X-Country}\n    never: [{header: {name: X-Writes}}]\n"
	experimentMetrics = "metrics: [{name: errors, errorRate: {}}]"
	experimentWeights = "      allocation: Thompson\n      floor: 10%\n      allocateEvery: 5m\n"
)

var experimentAgreements = []agreement{
	{"arms by default", experimentArms, "", false},
	{"no arms", experimentArms, "      arms: []\n", false},
	{"arms without weights", "weight: 60}, {name: canary, weight: 40,", "}, {name: canary,", false},
	{"a weight alone", "weight: 60}", "}", true},
	{"weights beyond all", "weight: 60", "weight: 70", true},
	{"a weight of nothing", "weight: 60}, {name: canary, weight: 40", "weight: 100}, {name: canary, weight: 0", true},
	{"a weight of a part", "weight: 60}, {name: canary, weight: 40", "weight: 60.5}, {name: canary, weight: 39.5", true},
	{"one arm", experimentArms, "      arms: [{name: stable}]\n", true},
	{"an arm twice", experimentArms, "      arms: [{name: canary}, {name: canary}]\n", true},
	{"an arm of nowhere", experimentArms, "      arms: [{name: stable}, {name: canary}, {name: large}]\n", true},
	{"always of the control", "weight: 60}", "weight: 60, always: [{header: {name: X-Arm}}]}", true},
	{"always of nobody", "always: [{header: {name: X-Arm}}", "always: [{}", true},
	{"always of a cohort that is none", "{cohort: staff}", "{cohort: friends}", true},
	{"always without users", "    stickyBy: {header: X-User-ID}\n", "", true},
	{"always without a country", "    country: {header: X-Country}\n", "", true},
	{"always of the whole", "    never:", "    always:", true},
	{"no goal", "      goal: " + experimentGoal + "\n", "", true},
	{"an empty goal", experimentGoal, "{}", true},
	{"two goals", "goal: {mean", "goal: {outcome: {}, mean", true},
	{"an outcome", experimentGoal, "{outcome: {}}", false},
	{"an outcome with everything", experimentGoal, "{outcome: {maturity: 1h, missing: negative}, minEffect: 0.02}", false},
	{"an outcome that is missed", experimentGoal, "{outcome: {missing: zero}}", true},
	{"an effect of nothing", "minEffect: 0.5", "minEffect: 0", true},
	{"no effect of an outcome", experimentGoal, "{outcome: {}, minEffect: -1}", true},
	{"no effect of a mean", ", minEffect: 0.5", "", true},
	{"a mean of something", "of: event", "of: joy", true},
	{"a conversion", experimentGoal, "{mean: {of: conversion, event: checkout}, minEffect: 0.01}", false},
	{"a conversion of nothing", experimentGoal, "{mean: {of: conversion}, minEffect: 0.01}", true},
	{"a conversion that is missed", experimentGoal, "{mean: {of: conversion, event: checkout, missing: zero}, minEffect: 0.01}", true},
	{"a conversion with bounds", experimentGoal, "{mean: {of: conversion, event: checkout, bounds: [0, 2]}, minEffect: 0.01}", true},
	{"feedback", experimentGoal, "{mean: {of: feedback, bounds: [-1, 1], missing: zero, maturity: 5m}, minEffect: 0.01}", false},
	{"feedback beside 0", experimentGoal, "{mean: {of: feedback, bounds: [1, 5], missing: zero}, minEffect: 0.01}", true},
	{"known feedback beside 0", experimentGoal, "{mean: {of: feedback, bounds: [1, 5]}, minEffect: 0.01}", false},
	{"an event of feedback", experimentGoal, "{mean: {of: feedback, event: a, bounds: [1, 5]}, minEffect: 0.01}", true},
	{"no bounds", "bounds: [0, 50], ", "", true},
	{"bounds beside 0", "bounds: [0, 50]", "bounds: [1, 50]", true},
	{"confidence", experimentGoal, "{mean: {of: confidence}, minEffect: 0.01}", false},
	{"confidence later", experimentGoal, "{mean: {of: confidence, maturity: 5m}, minEffect: 0.01}", true},
	{"confidence that is missed", experimentGoal, "{mean: {of: confidence, missing: unknown}, minEffect: 0.01}", true},
	{"a value", experimentGoal, "{mean: {of: value, bounds: [0, 9]}, minEffect: 0.01}", false},
	{"labels that come too late", "maturity: 20m", "maturity: 24h", true},
	{"labels that come too late after a warmup", "maturity: 20m", "maturity: 1439m", true},
	{"labels that come in time", "maturity: 20m", "maturity: 23h", false},
	{"a metric of the same number", experimentMetrics, "metrics: [{name: errors, errorRate: {}}, {name: revenue, mean: {of: event, event: checkout, bounds: [0, 50], maxDecrease: 1}}]", false},
	{"other bounds of the same number", experimentMetrics, "metrics: [{name: errors, errorRate: {}}, {name: revenue, mean: {of: event, event: checkout, bounds: [0, 60], maxDecrease: 1}}]", true},
	{"other bounds of another event", experimentMetrics, "metrics: [{name: errors, errorRate: {}}, {name: revenue, mean: {of: event, event: click, bounds: [0, 60], maxDecrease: 1}}]", false},
	{"confident at a guess", "confidence: 95%", "confidence: 45%", true},
	{"confident for certain", "confidence: 95%", "confidence: 100%", true},
	{"confident as a share", "confidence: 95%", "confidence: 0.99", false},
	{"confident in parts", "confidence: 95%", "confidence: 99.5%", false},
	{"ends before it may", "minDuration: 1h", "minDuration: 24h", true},
	{"allocation", "allocation: Thompson", "allocation: Greedy", true},
	{"fixed", experimentWeights, "", false},
	{"no floor", "floor: 10%", "floor: 0.5%", true},
	{"changes of fixed weights", experimentWeights, "      allocation: Fixed\n      allocateEvery: 5m\n", true},
	{"no changes", "allocateEvery: 5m", "allocateEvery: 0s", true},
	{"a floor of half", "floor: 10%", "floor: 50%", true},
	{"a floor as a share", "floor: 10%", "floor: 0.05", false},
	{"allocated at all times", "allocateEvery: 5m", "allocateEvery: 0s", true},
	{"then", "then: Promote", "then: Celebrate", true},
	{"only reported", "then: Promote", "then: Report", false},
	{"an unknown field", "then: Promote", "after: Promote", true},
	{"its own time", "  analysis:\n", "  analysis:\n    maxDuration: 24h\n", false},
	{"another time", "  analysis:\n", "  analysis:\n    maxDuration: 1h\n", true},
	{"a warmup beyond two hours", "  analysis:\n", "  analysis:\n    warmup: 3h\n", false},
	{"a warmup beyond its time", "  analysis:\n", "  analysis:\n    warmup: 25h\n", true},
	{"labels of a metric beyond two hours", experimentMetrics, "metrics: [{name: accuracy, outcome: {maturity: 5h}}]", false},
	{"labels of a metric beyond its time", experimentMetrics, "metrics: [{name: accuracy, outcome: {maturity: 24h}}]", true},
	{"a rollback at the end", "  analysis:\n", "  analysis:\n    onDeadline: Rollback\n", true},
	{"a metric named goal", "name: errors", "name: goal", true},
	{"a question before more traffic", "  routing:", "  hooks: [{when: confirmTrafficIncrease, url: \"http://gate.shop/\"}]\n  routing:", true},
	{"a question before the promotion", "  routing:", "  hooks: [{when: confirmPromotion, url: \"http://gate.shop/\"}]\n  routing:", false},
	{"a question before no promotion", "then: Promote\n", "then: Report\n  hooks: [{when: confirmPromotion, url: \"http://gate.shop/\"}]\n", true},
	{"and a canary", "  routing:", "    canary: {}\n  routing:", true},
	// Weights that follow counts which do not say under which weights they came.
	{"late counts of one's own", "preset: haldane", "preset: model, series: {goal: {total: a, sum: b}}", true},
	{"late counts beside the gateway's", "preset: haldane", "preset: haldane, series: {goal: {total: a, sum: b}}", true},
	{"late counts of one's own, fixed", experimentWeights + "      then: Promote\n      scaleDownDelay: 30s\n      readyWithin: 10m\n  routing:\n" + experimentRouting + "  analysis:\n    source: {prometheus: {address: \"http://prometheus:9090\", preset: haldane",
		"  routing:\n" + experimentRouting + "  analysis:\n    source: {prometheus: {address: \"http://prometheus:9090\", preset: model, series: {goal: {total: a, sum: b}}", false},
	// Over other routers.
	{"always by another router", experimentRouting, "    gatewayAPI: {httpRoute: churn, adopt: true}\n", true},
}

const experimentByRoute = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  workload: {name: churn}
  strategy: {experiment: {goal: {mean: {of: confidence}, minEffect: 0.01}, allocation: Thompson}}
  routing: {gatewayAPI: {httpRoute: churn, adopt: true}}
  analysis: {source: {prometheus: {address: "http://prometheus:9090", preset: model}}}
`

var experimentByRouteAgreements = []agreement{
	{"istio", "gatewayAPI: {httpRoute: churn, adopt: true}", "istio: {virtualService: churn, adopt: true}", false},
	{"nginx", "gatewayAPI: {httpRoute: churn, adopt: true}", "nginx: {ingress: churn}", false},
	{"replicas", "gatewayAPI: {httpRoute: churn, adopt: true}", "replicas: {}", false},
	{"labels", "mean: {of: confidence}", "outcome: {}", true},
	{"labels under fixed weights", "mean: {of: confidence}, minEffect: 0.01}, allocation: Thompson", "outcome: {}, minEffect: 0.01}", false},
}

const experimentOfThree = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  workload: {name: churn, variants: {large: {name: churn-large, service: large, version: v3}, small: {name: churn-small}}}
  strategy:
    experiment:
      arms: [{name: stable, weight: 40}, {name: canary, weight: 30}, {name: large, weight: 20, always: [{header: {name: X-Arm}}]}, {name: small, weight: 10}]
      goal: {outcome: {}}
  routing: {gateway: {}}
  analysis:
    source: {prometheus: {address: "http://prometheus:9090", preset: haldane}}
    metrics: [{name: errors, errorRate: {}}]
`

const (
	threeArms     = "      arms: [{name: stable, weight: 40}, {name: canary, weight: 30}, {name: large, weight: 20, always: [{header: {name: X-Arm}}]}, {name: small, weight: 10}]\n"
	threeVariants = "{large: {name: churn-large, service: large, version: v3}, small: {name: churn-small}}"
)

var experimentOfThreeAgreements = []agreement{
	{"all by default", threeArms, "", false},
	{"an arm too few", ", {name: small, weight: 10}", ", {name: canary, weight: 10}", true},
	{"a variant without weight", "weight: 20, always: [{header: {name: X-Arm}}]}, {name: small, weight: 10}", "weight: 30}", true},
	{"an arm that is no variant", "{name: small, weight", "{name: tiny, weight", true},
	{"seven variants", threeVariants, "{a: {name: a}, b: {name: b}, c: {name: c}, d: {name: d}, e: {name: e}, f: {name: f}, g: {name: g}}", true},
	{"a variant called stable", "small: {name: churn-small}", "stable: {name: churn-small}", true},
	{"a variant with an odd name", "small: {name: churn-small}", "Small: {name: churn-small}", true},
	{"a variant of no Deployment", "small: {name: churn-small}", "small: {service: churn-small}", true},
	{"a variant of the candidate's", "small: {name: churn-small}", "small: {name: churn, service: other}", true},
	{"a variant of stable's", "small: {name: churn-small}", "small: {name: churn-stable, service: other}", true},
	{"a variant behind the user's Service", "small: {name: churn-small}", "small: {name: churn-small, service: churn}", true},
	{"a variant behind another's Service", "small: {name: churn-small}", "small: {name: churn-small, service: large}", true},
	{"a Deployment twice", "small: {name: churn-small}", "small: {name: churn-large}", true},
	{"an odd version", "version: v3", "version: \"v 3\"", true},
	{"an unknown field", "version: v3", "image: v3", true},
	{"variants of a canary", "    experiment:\n" + threeArms + "      goal: {outcome: {}}\n", "    canary: {}\n", true},
	{"promoted", "      goal:", "      then: Promote\n      goal:", true},
	{"by another router", "{gateway: {}}", "{gatewayAPI: {httpRoute: churn, adopt: true}}", true},
	{"counted elsewhere", "preset: haldane", "preset: model", true},
	{"told apart otherwise", "preset: haldane", "preset: haldane, armBy: {pod: pod}", true},
	{"a level", "{name: errors, errorRate: {}}", "{name: errors, errorRate: {}}, {name: level, gauge: {query: \"sum(x{v='{{version}}'})\", maxRatio: 1.1}}", true},
}
