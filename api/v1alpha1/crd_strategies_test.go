package v1alpha1

const blueGreenOnCluster = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  workload: {name: churn}
  strategy: {blueGreen: {preview: {mirror: 100, for: 2m}, approve: true, bake: {for: 10m, holdback: 5}, scaleDownDelay: 30s, readyWithin: 10m}}
  routing:
    gateway: {}
  analysis:
    source: {prometheus: {address: "http://prometheus:9090", preset: haldane}}
    metrics: [{name: errors, errorRate: {}}, {name: agreement, pairs: {maxDisagreement: 2%}}]
`

const (
	blueGreenPreview = "preview: {mirror: 100, for: 2m}"
	blueGreenMetrics = "    metrics: [{name: errors, errorRate: {}}, {name: agreement, pairs: {maxDisagreement: 2%}}]\n"
	blueGreenBake    = "bake: {for: 10m, holdback: 5}"
)

var blueGreenAgreements = []agreement{
	{"everything by default", "{preview: {mirror: 100, for: 2m}, approve: true, bake: {for: 10m, holdback: 5}, scaleDownDelay: 30s, readyWithin: 10m}}\n  routing:\n    gateway: {}", "{}}\n  routing:\n    gateway: {}", true}, // pairs of nothing
	{"unknown field", "approve: true", "aprove: true", true},
	{"listen on a cluster", blueGreenPreview, "preview: {listen: \"127.0.0.1:8081\", mirror: 100}", true},
	{"preview mirrors nothing", "mirror: 100", "mirror: 0", true},
	{"preview mirrors too much", "mirror: 100", "mirror: 101", true},
	{"mirrored and not compared", blueGreenMetrics, "", true},
	{"compared and not mirrored", blueGreenPreview, "preview: {for: 2m}", true},
	{"pairs alone", "{name: errors, errorRate: {}}, ", "", true},
	{"half held back", "holdback: 5", "holdback: 50", false},
	{"more than half held back", "holdback: 5", "holdback: 51", true},
	{"holdback below nothing", "holdback: 5", "holdback: -5", true},
	{"nothing held back", "holdback: 5", "holdback: 0", true},
	{"nothing held back, and a check", "holdback: 5}, scaleDownDelay: 30s, readyWithin: 10m}}\n  routing:\n    gateway: {}\n  analysis:\n", "holdback: 0}}}\n  routing:\n    gateway: {}\n  analysis:\n    checks: [{name: up, openInference: {}}]\n", false},
	{"nothing held back, and a check that warns", "holdback: 5}, scaleDownDelay: 30s, readyWithin: 10m}}\n  routing:\n    gateway: {}\n  analysis:\n", "holdback: 0}}}\n  routing:\n    gateway: {}\n  analysis:\n    checks: [{name: up, openInference: {}, effect: Warn}]\n", true},
	{"nothing held back, and a check before it", "holdback: 5}, scaleDownDelay: 30s, readyWithin: 10m}}\n  routing:\n    gateway: {}\n  analysis:\n", "holdback: 0}}}\n  routing:\n    gateway: {}\n  analysis:\n    checks: [{name: up, openInference: {}, when: [start]}]\n", true},
	{"bake to the deadline", blueGreenBake, "bake: {for: 118m}", true},
	{"bake just before the deadline", blueGreenBake, "bake: {for: 117m}", false},
	{"bake of no time", blueGreenBake, "bake: {for: 0s}", false},
	{"bake beyond a deadline of its own", "source:", "maxDuration: 5m\n    source:", true},
	{"by replicas", "gateway: {}", "replicas: {}", true},
	{"pods that are swapped", "{name: churn}\n  strategy", "{name: churn, order: Swap}\n  strategy", true},
	{"pods that are not swapped", "{name: churn}\n  strategy", "{name: churn, order: Surge}\n  strategy", false},
	{"and a canary", "  routing:", "    canary: {}\n  routing:", true},
	{"always", "gateway: {}", "gateway: {}\n    always: [{header: {name: X-Canary}}]", false},
}

const shadowOnCluster = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  workload: {name: churn}
  strategy: {shadow: {percent: 50, for: 10m, scaleDownDelay: 30s, readyWithin: 10m}}
  routing:
    gateway: {}
    never: [{header: {name: X-Writes}}]
  analysis:
    source: {prometheus: {address: "http://prometheus:9090", preset: haldane}}
    metrics: [{name: agreement, pairs: {maxDisagreement: 2%}}]
`

const shadowMetrics = "    metrics: [{name: agreement, pairs: {maxDisagreement: 2%}}]\n"

var shadowAgreements = []agreement{
	{"all by default", "{percent: 50, for: 10m, scaleDownDelay: 30s, readyWithin: 10m}", "{}", false},
	{"metric by default", shadowMetrics, "", false},
	{"pairs by everything", shadowMetrics, "    metrics: [{name: a, pairs: {of: class, maxDisagreement: 2%}}, {name: b, pairs: {of: value, tolerance: 0.5, relative: 0.02, maxDisagreement: 2%}}, {name: c, pairs: {of: text, minSimilarity: 0.7, maxDisagreement: 20%}}, {name: d, pairs: {of: latency, maxSlower: 20ms, maxDisagreement: 20%}}]\n", false},
	{"pairs by the same twice", shadowMetrics, "    metrics: [{name: a, pairs: {of: text, maxDisagreement: 2%}}, {name: b, pairs: {of: text, maxDisagreement: 5%}}]\n", true},
	{"pairs by numbers twice", shadowMetrics, "    metrics: [{name: a, pairs: {maxDisagreement: 2%}}, {name: b, pairs: {of: value, maxDisagreement: 5%}}]\n", true},
	{"pairs by something", "maxDisagreement: 2%", "of: mood, maxDisagreement: 2%", true},
	{"tolerance of a text", "maxDisagreement: 2%", "of: text, tolerance: 1, maxDisagreement: 2%", true},
	{"relative tolerance of a class", "maxDisagreement: 2%", "of: class, relative: 0.01, maxDisagreement: 2%", true},
	{"tolerance of a prediction", "maxDisagreement: 2%", "tolerance: 1, relative: 0.01, maxDisagreement: 2%", false},
	{"negative tolerance", "maxDisagreement: 2%", "tolerance: -1, maxDisagreement: 2%", true},
	{"tolerance of all", "maxDisagreement: 2%", "relative: 1, maxDisagreement: 2%", true},
	{"similarity of a class", "maxDisagreement: 2%", "of: class, minSimilarity: 0.8, maxDisagreement: 2%", true},
	{"negative similarity", "maxDisagreement: 2%", "of: text, minSimilarity: -1, maxDisagreement: 2%", true},
	{"the very same", "maxDisagreement: 2%", "of: text, minSimilarity: 1, maxDisagreement: 2%", true},
	{"slower texts", "maxDisagreement: 2%", "of: text, maxSlower: 20ms, maxDisagreement: 2%", true},
	{"slower by nothing", "maxDisagreement: 2%", "of: latency, maxSlower: 0%, maxDisagreement: 2%", true},
	{"slower by a share", "maxDisagreement: 2%", "of: latency, maxSlower: 10%, maxDisagreement: 2%", false},
	{"no metric", shadowMetrics, "    metrics: []\n", false},
	{"mirrors nothing", "percent: 50", "percent: 0", true},
	{"mirrors too much", "percent: 50", "percent: 101", true},
	{"compares users", shadowMetrics, "    metrics: [{name: agreement, pairs: {maxDisagreement: 2%}}, {name: errors, errorRate: {}}]\n", true},
	{"compares users alone", shadowMetrics, "    metrics: [{name: errors, errorRate: {}}]\n", true},
	{"shows somebody", "never:", "always:", true},
	{"another router", "gateway: {}", "gatewayAPI: {httpRoute: churn, adopt: true}", true},
	{"another router and nothing compared", "gateway: {}\n    never: [{header: {name: X-Writes}}]\n  analysis:\n    source: {prometheus: {address: \"http://prometheus:9090\", preset: haldane}}\n" + shadowMetrics, "gatewayAPI: {httpRoute: churn, adopt: true}\n  analysis:\n    source: {prometheus: {address: \"http://prometheus:9090\", preset: model}}\n", true},
	{"asks before the promotion", "  routing:", "  hooks: [{when: confirmPromotion, url: \"http://gate.shop/\"}]\n  routing:", true},
	{"asks before more traffic", "  routing:", "  hooks: [{when: confirmTrafficIncrease, url: \"http://gate.shop/\"}]\n  routing:", true},
	{"asks before it begins", "  routing:", "  hooks: [{when: confirmRollout, url: \"http://gate.shop/\"}]\n  routing:", false},
	{"beyond the deadline", "for: 10m", "for: 2h", true},
	{"time as a number", "for: 10m", "for: 10", true},
	{"and a canary", "  routing:", "    canary: {}\n  routing:", true},
	{"steps", "percent: 50", "steps: []", true},
}
