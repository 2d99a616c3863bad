package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The identity of the document.
const (
	APIVersion = "haldane.dev/v1alpha1"
	Kind       = "ModelRollout"
)

// ModelRollout says what is rolled out, how, where traffic is split, and
// whether it goes on.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=modelrollouts,shortName=mro,categories={all,haldane}
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Weight",type=string,JSONPath=`.status.weight.observed`
// +kubebuilder:printcolumn:name="Verdict",type=string,JSONPath=`.status.verdict`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Canary",type=string,priority=1,JSONPath=`.status.canary.version`
// +kubebuilder:printcolumn:name="Wanted",type=string,priority=1,JSONPath=`.status.weight.wanted`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.reason`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name: write a name of lower-case letters, digits and dashes, at most 63"
type ModelRollout struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   Spec               `json:"spec"`
	Status ModelRolloutStatus `json:"status,omitzero"`
}

// ModelRolloutList is a list of them.
//
// +kubebuilder:object:root=true
type ModelRolloutList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ModelRollout `json:"items"`
}

// Spec is the wish.
//
// +kubebuilder:validation:XValidation:rule="!has(self.endpoints) || has(self.routing.flag)",fieldPath=".endpoints",message="are of a rollout on one machine (haldane run), or of a flag: on a cluster write workload"
// +kubebuilder:validation:XValidation:rule="has(self.workload) || has(self.routing.flag)",message="needs workload: the Deployment that is rolled out"
// +kubebuilder:validation:XValidation:rule="!has(self.workload) || !has(self.routing.flag)",fieldPath=".workload",message="is of models that Haldane runs, and behind a flag the application does: write endpoints, with the versions alone"
// +kubebuilder:validation:XValidation:rule="has(self.endpoints) || !has(self.routing.flag)",message="needs endpoints: the versions that the flag is about, like {stable: {version: v1}, canary: {version: v2}}"
// +kubebuilder:validation:XValidation:rule="!has(self.routing.flag) || has(self.strategy.canary)",fieldPath=".strategy",message="must be canary: a flag is not asked by others in this version"
// +kubebuilder:validation:XValidation:rule="!has(self.routing.flag) || !has(self.strategy.canary) || !has(self.strategy.canary.steps) || self.strategy.canary.steps.all(s, !has(s.shadow))",fieldPath=".strategy",message="has steps that mirror requests, and none passes through a flag: leave the shadow step out"
// +kubebuilder:validation:XValidation:rule="!has(self.routing.flag) || (has(self.analysis) && has(self.analysis.metrics) && size(self.analysis.metrics) > 0 && self.analysis.metrics.all(m, has(m.mean) && m.mean.of in ['conversion', 'event', 'feedback']))",fieldPath=".analysis",message="needs metrics of what comes back: nothing passes through a flag. Write a mean of conversion, event or feedback, and no other"
// +kubebuilder:validation:XValidation:rule="!has(self.routing.flag) || !has(self.analysis) || !has(self.analysis.load)",fieldPath=".analysis.load",message="sends requests through the split, and none passes through a flag: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.routing.flag) || !has(self.analysis) || !has(self.analysis.checks) || size(self.analysis.checks) == 0",fieldPath=".analysis.checks",message="ask the candidate's server, and Haldane knows of none behind a flag: leave them out"
// +kubebuilder:validation:XValidation:rule="!has(self.routing.flag) || !has(self.analysis) || !has(self.analysis.source) || !has(self.analysis.source.prometheus) || !has(self.analysis.source.prometheus.preset) || self.analysis.source.prometheus.preset in ['haldane', 'custom']",fieldPath=".analysis.source",message="counts requests, and none passes through a flag: write preset: haldane"
// +kubebuilder:validation:XValidation:rule="!has(self.routing.flag) || !has(self.analysis) || !has(self.analysis.source) || !has(self.analysis.source.prometheus) || !has(self.analysis.source.prometheus.armBy) || !has(self.analysis.source.prometheus.armBy.pod)",fieldPath=".analysis.source",message="tells the pods of two Deployments apart, and behind a flag there are none: write armBy.label"
// +kubebuilder:validation:XValidation:rule="!has(self.hooks) || self.hooks.all(h, self.hooks.exists_one(g, (has(g.name) ? g.name : g.when) == (has(h.name) ? h.name : h.when)))",fieldPath=".hooks",message="two have the same name, or none and the same kind: give each a name of its own"
// +kubebuilder:validation:XValidation:rule="!has(self.notifications) || self.notifications.all(n, self.notifications.exists_one(m, (has(m.name) ? m.name : has(m.slack) ? 'slack' : has(m.teams) ? 'teams' : has(m.discord) ? 'discord' : has(m.googleChat) ? 'googleChat' : has(m.pagerDuty) ? 'pagerDuty' : has(m.email) ? 'email' : 'webhook') == (has(n.name) ? n.name : has(n.slack) ? 'slack' : has(n.teams) ? 'teams' : has(n.discord) ? 'discord' : has(n.googleChat) ? 'googleChat' : has(n.pagerDuty) ? 'pagerDuty' : has(n.email) ? 'email' : 'webhook')))",fieldPath=".notifications",message="two have the same name, or none and the same kind: give each a name of its own"
// +kubebuilder:validation:XValidation:rule="!has(self.inference) || has(self.routing.gateway) || ((!has(self.inference.classes) || size(self.inference.classes) == 0) && !has(self.inference.expr) && (!has(self.inference.threshold) || self.inference.threshold == 0.5))",fieldPath=".inference",message="tells how Haldane's gateway reads predictions, and none passes through it: write routing.gateway, or leave it out"
// +kubebuilder:validation:XValidation:rule="has(self.analysis) && has(self.analysis.source) && has(self.analysis.source.prometheus)",fieldPath=".analysis",message="needs source.prometheus: on a cluster the counts come from there"
// +kubebuilder:validation:XValidation:rule="!(has(self.analysis) && has(self.analysis.metrics) && self.analysis.metrics.exists(m, has(m.pairs))) || ((has(self.strategy.canary) && has(self.strategy.canary.steps) && self.strategy.canary.steps.exists(s, has(s.shadow))) || (has(self.strategy.blueGreen) && has(self.strategy.blueGreen.preview) && has(self.strategy.blueGreen.preview.mirror)) || has(self.strategy.shadow))",fieldPath=".analysis.metrics",message="pairs are of mirrored requests, and nothing is mirrored: add {shadow: {percent: 100}} to the steps of canary, or mirror: 100 to the preview of blueGreen"
// +kubebuilder:validation:XValidation:rule="!has(self.analysis) || !has(self.analysis.metrics) || !self.analysis.metrics.exists(m, has(m.pairs)) || has(self.routing.gateway)",fieldPath=".analysis.metrics",message="pairs are compared by Haldane's gateway alone: write routing.gateway, or leave the metric out"
// +kubebuilder:validation:XValidation:rule="!((has(self.strategy.canary) && has(self.strategy.canary.steps) && self.strategy.canary.steps.exists(s, has(s.shadow))) || (has(self.strategy.blueGreen) && has(self.strategy.blueGreen.preview) && has(self.strategy.blueGreen.preview.mirror)) || has(self.strategy.shadow)) || (has(self.analysis) && has(self.analysis.metrics) && self.analysis.metrics.exists(m, has(m.pairs))) || (has(self.strategy.shadow) && (!has(self.analysis) || !has(self.analysis.metrics) || size(self.analysis.metrics) == 0))",fieldPath=".strategy",message="a mirror would never end: mirrored answers are compared by a metric of pairs, and there is none. Add {name: agreement, pairs: {maxDisagreement: 2%}} to analysis.metrics, or remove it"
// +kubebuilder:validation:XValidation:rule="!has(self.analysis) || !has(self.analysis.metrics) || size(self.analysis.metrics) == 0 || has(self.strategy.shadow) || self.analysis.metrics.exists(m, !has(m.pairs))",fieldPath=".analysis.metrics",message="compare mirrored pairs alone: the weight steps need a metric of live traffic"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.shadow) || !has(self.analysis) || !has(self.analysis.metrics) || self.analysis.metrics.all(m, has(m.pairs))",fieldPath=".analysis.metrics",message="compare users of both versions, and a shadow has none of the candidate: write pairs"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.shadow) || has(self.routing.gateway)",fieldPath=".routing",message="needs gateway: the answers to copied requests are compared by Haldane's gateway alone"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.shadow) || !has(self.routing.always) || size(self.routing.always) == 0",fieldPath=".routing.always",message="sends users to the candidate, which a shadow never does: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.shadow) || !has(self.hooks) || self.hooks.all(h, !(h.when in ['confirmPromotion', 'confirmTrafficIncrease']))",fieldPath=".hooks",message="a question before more traffic or the promotion is never asked: a shadow promotes nothing. Write confirmRollout, or leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.shadow) || duration(has(self.strategy.shadow.for) ? self.strategy.shadow.for : '0s') < duration(has(self.analysis) && has(self.analysis.maxDuration) ? self.analysis.maxDuration : '2h')",fieldPath=".analysis",message="maxDuration is no longer than the shadow takes at least: lengthen it"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.blueGreen) || duration(has(self.strategy.blueGreen.preview) && has(self.strategy.blueGreen.preview.for) ? self.strategy.blueGreen.preview.for : '0s') + duration(has(self.strategy.blueGreen.bake) && has(self.strategy.blueGreen.bake.for) ? self.strategy.blueGreen.bake.for : '10m') < duration(has(self.analysis) && has(self.analysis.maxDuration) ? self.analysis.maxDuration : '2h')",fieldPath=".analysis",message="maxDuration is no longer than preview and bake take at least: lengthen it"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.blueGreen) || !has(self.strategy.blueGreen.bake) || !has(self.strategy.blueGreen.bake.holdback) || self.strategy.blueGreen.bake.holdback > 0.0 || (has(self.analysis) && ((has(self.analysis.guardrails) && self.analysis.guardrails.exists(g, !(has(g.effect) && g.effect == 'Warn') && !(has(g.dryRun) && g.dryRun))) || (has(self.analysis.checks) && self.analysis.checks.exists(c, !(has(c.effect) && c.effect == 'Warn') && (!has(c.when) || size(c.when) == 0 || c.when.exists(w, w == 'running'))))))",fieldPath=".strategy.blueGreen",message="holdback is 0: with nothing on the version before there is nothing to compare with. Write 5, or add a guardrail or a check that judges alone: it runs in the bake, and does more than warn"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.blueGreen) || !has(self.routing.replicas)",fieldPath=".routing.replicas",message="cannot hide a preview from users, who reach every pod: choose another router, or write canary"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.blueGreen) || !has(self.workload) || !has(self.workload.order) || self.workload.order != 'Swap'",fieldPath=".workload.order",message="is Swap: the version before would not have the pods to switch back to at once. Leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.routing.istio) || !has(self.routing.istio.destinationRule) || (has(self.workload) && has(self.workload.pair))",fieldPath=".routing.istio",message="destinationRule makes subsets of a pair of Deployments: write workload.pair, or leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.analysis) || !has(self.analysis.load) || has(self.routing.gateway) || has(self.analysis.load.address)",fieldPath=".analysis.load",message="needs address: where users call is known of Haldane's gateway alone"
// +kubebuilder:validation:XValidation:rule="!has(self.analysis) || !has(self.analysis.load) || has(self.routing.gateway) || !has(self.analysis.load.count) || self.analysis.load.count",fieldPath=".analysis.load",message="count: false needs Haldane's gateway, which tells load from users: write routing.gateway, or leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.analysis) || !has(self.analysis.load) || has(self.routing.stickyBy) || !has(self.analysis.load.users)",fieldPath=".analysis.load",message="users are told apart by routing.stickyBy: write that, or leave them out"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.strategy.experiment.arms) || size(self.strategy.experiment.arms) == 0 || (size(self.strategy.experiment.arms) == 2 + ((has(self.workload) && has(self.workload.variants) && size(self.workload.variants) > 0) ? size(self.workload.variants) : 0) && self.strategy.experiment.arms.all(a, a.name in ['stable', 'canary'] || ((has(self.workload) && has(self.workload.variants) && size(self.workload.variants) > 0) && a.name in self.workload.variants)) && self.strategy.experiment.arms.all(a, self.strategy.experiment.arms.exists_one(b, b.name == a.name)))",fieldPath=".strategy.experiment.arms",message="name each of stable, canary and workload.variants once"
// +kubebuilder:validation:XValidation:rule="!(has(self.workload) && has(self.workload.variants) && size(self.workload.variants) > 0) || has(self.strategy.experiment)",fieldPath=".workload.variants",message="are arms of an experiment: write strategy.experiment, or leave them out"
// +kubebuilder:validation:XValidation:rule="!(has(self.workload) && has(self.workload.variants) && size(self.workload.variants) > 0) || has(self.routing.gateway)",fieldPath=".workload.variants",message="are more arms than this router divides between: write routing.gateway, or compare stable and canary alone"
// +kubebuilder:validation:XValidation:rule="!(has(self.workload) && has(self.workload.variants) && size(self.workload.variants) > 0) || !has(self.analysis) || !has(self.analysis.source) || !has(self.analysis.source.prometheus) || (has(self.analysis.source.prometheus.preset) && self.analysis.source.prometheus.preset == 'haldane' && !has(self.analysis.source.prometheus.armBy))",fieldPath=".workload.variants",message="are told apart by what Haldane's gateways count: write preset: haldane, without armBy"
// +kubebuilder:validation:XValidation:rule="!(has(self.workload) && has(self.workload.variants) && size(self.workload.variants) > 0) || !has(self.strategy.experiment) || !has(self.strategy.experiment.then) || self.strategy.experiment.then != 'Promote'",fieldPath=".strategy.experiment.then",message="is Promote, and of more than two arms none takes stable's place by itself: write Report, and roll the winner out with canary"
// +kubebuilder:validation:XValidation:rule="!(has(self.workload) && has(self.workload.variants) && size(self.workload.variants) > 0) || !has(self.analysis) || !has(self.analysis.metrics) || self.analysis.metrics.all(m, !has(m.gauge))",fieldPath=".analysis.metrics",message="a gauge is read of stable and canary alone: compare two arms, or leave it out"
// +kubebuilder:validation:XValidation:rule="!(has(self.workload) && has(self.workload.variants) && size(self.workload.variants) > 0) || (self.workload.variants.all(n, !(self.workload.variants[n].name in [self.workload.name, has(self.workload.stableName) ? self.workload.stableName : self.workload.name + '-stable']) && !((has(self.workload.variants[n].service) ? self.workload.variants[n].service : self.workload.variants[n].name) in [has(self.workload.service) ? self.workload.service : self.workload.name, self.workload.name + '-stable', self.workload.name + '-canary']) && self.workload.variants.exists_one(o, self.workload.variants[o].name == self.workload.variants[n].name) && self.workload.variants.exists_one(o, (has(self.workload.variants[o].service) ? self.workload.variants[o].service : self.workload.variants[o].name) == (has(self.workload.variants[n].service) ? self.workload.variants[n].service : self.workload.variants[n].name))))",fieldPath=".workload.variants",message="two arms would be the same pods: give each a Deployment and a Service of its own"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.routing.always) || size(self.routing.always) == 0",fieldPath=".routing.always",message="does not say which arm: write it at the arm, under strategy.experiment.arms"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.strategy.experiment.arms) || has(self.routing.gateway) || self.strategy.experiment.arms.all(a, !has(a.always) || size(a.always) == 0)",fieldPath=".strategy.experiment.arms",message="always needs Haldane's gateway, which counts such requests apart: write routing.gateway, or leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.strategy.experiment.arms) || self.strategy.experiment.arms.all(a, !has(a.always) || a.always.all(m, (!has(m.country) || has(self.routing.country)) && (!has(m.cohort) || (has(self.routing.stickyBy) && has(self.routing.cohorts) && self.routing.cohorts.exists(c, c.name == m.cohort)))))",fieldPath=".strategy.experiment.arms",message="the country of always needs routing.country, and a cohort routing.stickyBy and routing.cohorts"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.analysis) || !has(self.analysis.maxDuration) || duration(self.analysis.maxDuration) == duration(has(self.strategy.experiment) ? (has(self.strategy.experiment.maxDuration) ? self.strategy.experiment.maxDuration : '336h') : '2h')",fieldPath=".analysis.maxDuration",message="is not strategy.experiment.maxDuration, which is the experiment's time: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.analysis) || !has(self.analysis.onDeadline) || self.analysis.onDeadline == 'Hold'",fieldPath=".analysis.onDeadline",message="is Rollback, and an experiment whose time is over ends with a report: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.analysis) || !has(self.analysis.metrics) || self.analysis.metrics.all(m, m.name != 'goal')",fieldPath=".analysis.metrics",message="goal is the name of the experiment's goal: choose another"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.hooks) || self.hooks.all(h, h.when != 'confirmTrafficIncrease' && (h.when != 'confirmPromotion' || (has(self.strategy.experiment.then) && self.strategy.experiment.then == 'Promote')))",fieldPath=".hooks",message="a question is of a kind that this experiment never asks: write confirmRollout, or leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.strategy.experiment.goal.mean) || !has(self.strategy.experiment.goal.mean.bounds) || !has(self.analysis) || !has(self.analysis.metrics) || self.analysis.metrics.all(m, !has(m.mean) || !has(m.mean.bounds) || m.mean.of != self.strategy.experiment.goal.mean.of || (has(m.mean.event) && has(self.strategy.experiment.goal.mean.event) && m.mean.event != self.strategy.experiment.goal.mean.event) || m.mean.bounds == self.strategy.experiment.goal.mean.bounds)",fieldPath=".strategy.experiment.goal",message="bounds are not those of a metric of the same number: write them alike"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !has(self.strategy.experiment.allocation) || self.strategy.experiment.allocation != 'Thompson' || !(has(self.strategy.experiment.goal.outcome) || (has(self.strategy.experiment.goal.mean) && (has(self.strategy.experiment.goal.mean.event) || self.strategy.experiment.goal.mean.of == 'feedback'))) || !has(self.analysis) || !has(self.analysis.source) || !has(self.analysis.source.prometheus) || (has(self.analysis.source.prometheus.preset) && self.analysis.source.prometheus.preset == 'haldane' && !(has(self.analysis.source.prometheus.series) && 'goal' in self.analysis.source.prometheus.series))",fieldPath=".strategy.experiment.allocation",message="is Thompson, and what comes back later is counted by series that do not say when its prediction was made: write Fixed, or preset: haldane with routing.gateway"
// +kubebuilder:validation:XValidation:rule="(has(self.analysis) && has(self.analysis.maxDuration)) || duration(has(self.strategy.experiment) ? (has(self.strategy.experiment.maxDuration) ? self.strategy.experiment.maxDuration : '336h') : '2h') > duration(has(self.analysis) && has(self.analysis.warmup) ? self.analysis.warmup : '90s')",fieldPath=".analysis",message="warmup is no shorter than the comparison: nothing could be judged"
// +kubebuilder:validation:XValidation:rule="!has(self.analysis) || has(self.analysis.maxDuration) || !has(self.analysis.metrics) || self.analysis.metrics.all(m, duration(has(self.analysis) && has(self.analysis.warmup) ? self.analysis.warmup : '90s') + duration(has(m.outcome) ? (has(m.outcome.maturity) ? m.outcome.maturity : '30m') : has(m.mean) && has(m.mean.event) ? (has(m.mean.maturity) ? m.mean.maturity : '30m') : '-1h') < duration(has(self.strategy.experiment) ? (has(self.strategy.experiment.maxDuration) ? self.strategy.experiment.maxDuration : '336h') : '2h'))",fieldPath=".analysis.metrics",message="labels and events would come after the comparison has ended: lengthen maxDuration, or shorten maturity"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy.experiment) || !(has(self.strategy.experiment.goal.outcome) || (has(self.strategy.experiment.goal.mean) && (has(self.strategy.experiment.goal.mean.event) || self.strategy.experiment.goal.mean.of == 'feedback'))) || duration(has(self.analysis) && has(self.analysis.warmup) ? self.analysis.warmup : '90s') + duration(has(self.strategy.experiment.goal.outcome) ? (has(self.strategy.experiment.goal.outcome.maturity) ? self.strategy.experiment.goal.outcome.maturity : '30m') : (has(self.strategy.experiment.goal.mean.maturity) ? self.strategy.experiment.goal.mean.maturity : '30m')) < duration(has(self.strategy.experiment.maxDuration) ? self.strategy.experiment.maxDuration : '336h')",fieldPath=".strategy.experiment.goal",message="labels would come after maxDuration has ended: lengthen that, or shorten maturity"
type Spec struct {
	// Workload is what is rolled out on a cluster.
	Workload *Workload `json:"workload,omitempty"`
	// Endpoints are the arms of a rollout on one machine or, with their versions
	// alone, by flag.
	Endpoints *Endpoints `json:"endpoints,omitempty"`
	// Strategy says how.
	Strategy Strategy `json:"strategy"`
	// Routing says where traffic is split, and who goes where.
	Routing Routing `json:"routing"`
	// Inference tells how predictions are read.
	Inference Inference `json:"inference,omitzero"`
	// Analysis says whether it goes on.
	Analysis Analysis `json:"analysis,omitzero"`
	// Paused holds the weight as it is; analysis goes on. On a cluster only.
	Paused bool `json:"paused,omitempty"`
	// OnDelete is Restore (default: routes as they were, where candidate and
	// stable are the same) or Keep. On a cluster only.
	// +kubebuilder:validation:Enum=Restore;Keep
	OnDelete string `json:"onDelete,omitempty"`
	// Hooks are asked before the rollout goes on, or told.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	Hooks []Hook `json:"hooks,omitempty"`
	// Switch is kept by somebody else, and holds the rollout or takes the
	// candidate back.
	Switch *Switch `json:"switch,omitempty"`
	// Notifications are told of what happens.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	Notifications []Notification `json:"notifications,omitempty"`
}

// Endpoints are the arms of a rollout on one machine, or by flag.
//
// +kubebuilder:validation:XValidation:rule="!has(self.variants)",fieldPath=".variants",message="are arms of an experiment, and none is by flag: leave them out"
// +kubebuilder:validation:XValidation:rule="self.stable.version != self.canary.version",fieldPath=".canary",message="has stable's version: give the candidate a version of its own"
type Endpoints struct {
	// Stable is the version in service.
	Stable Endpoint `json:"stable"`
	// Canary is the candidate.
	Canary Endpoint `json:"canary"`
	// Variants are further arms of an experiment, by name.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Variants map[string]Endpoint `json:"variants,omitempty"`
}

// Endpoint is a model server: one that already runs (url), or a command that
// Haldane starts, watches and ends (command; then url may say where it
// listens, and otherwise it is told by $PORT and {port}). By flag it is a version
// alone.
//
// +kubebuilder:validation:XValidation:rule="!has(self.url) && !has(self.command) && !has(self.env) && !has(self.dir) && !has(self.readiness) && !has(self.liveness) && !has(self.stopGrace)",message="has what is of a server, and behind a flag the application runs the model: write version alone"
type Endpoint struct {
	// Version as people call it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[ -~]+$`
	Version string `json:"version"`
	URL     string `json:"url,omitempty"`
	// Command starts it; {port} and {address} are replaced.
	Command []string          `json:"command,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	// Dir is the working directory, relative to the file.
	Dir string `json:"dir,omitempty"`
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Readiness *Probe `json:"readiness,omitempty"`
	// Liveness of a command: failing restarts it.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Liveness *Probe `json:"liveness,omitempty"`
	// StopGrace is between SIGTERM and SIGKILL; 10s unless said otherwise.
	StopGrace *Duration `json:"stopGrace,omitempty"`
}

// Probe asks a model server whether it is well: an HTTP path that answers
// 200–399, the gRPC health protocol, or, with neither, a TCP connection.
type Probe struct {
	Path         string    `json:"path,omitempty"`
	GRPC         bool      `json:"grpc,omitempty"`
	Interval     *Duration `json:"interval,omitempty"`     // default 2s
	Timeout      *Duration `json:"timeout,omitempty"`      // default 1s
	InitialDelay *Duration `json:"initialDelay,omitempty"` // default 0
	Failures     int       `json:"failures,omitempty"`     // in a row until unwell; default 3
	Successes    int       `json:"successes,omitempty"`    // in a row until well; default 1
}

// Strategy is exactly one of its fields.
//
// +kubebuilder:validation:XValidation:rule="[has(self.canary), has(self.blueGreen), has(self.shadow), has(self.experiment)].exists_one(x, x)",message="needs exactly one of canary, blueGreen, shadow, experiment"
type Strategy struct {
	// Canary raises the candidate's share step by step.
	Canary *Canary `json:"canary,omitempty"`
	// BlueGreen previews the candidate, then switches all traffic at once.
	BlueGreen *BlueGreen `json:"blueGreen,omitempty"`
	// Shadow copies requests to the candidate, which no user sees, and ends
	// with a report.
	Shadow *Shadow `json:"shadow,omitempty"`
	// Experiment compares arms by a goal.
	Experiment *Experiment `json:"experiment,omitempty"`
}

// MaxSteps bounds the steps of a canary.
const MaxSteps = 64

// Canary raises the candidate's share step by step.
//
// +kubebuilder:validation:XValidation:rule="!has(self.steps) || size(self.steps) == 0 || (has(self.steps[size(self.steps)-1].weight) && self.steps[size(self.steps)-1].weight == 100.0)",fieldPath=".steps",message="the last step must be {weight: 100}"
// +kubebuilder:validation:XValidation:rule="!has(self.steps) || (self.steps.filter(s, has(s.weight)).map(s, s.weight).isSorted() && self.steps.all(s, !has(s.weight) || self.steps.exists_one(t, has(t.weight) && t.weight == s.weight)))",fieldPath=".steps",message="weights must rise from step to step"
// +kubebuilder:validation:XValidation:rule="!has(self.steps) || size(self.steps) == 0 || self.steps.exists(s, has(s.shadow) || (has(s.weight) && s.weight < 100.0))",fieldPath=".steps",message="compare nothing: put at least one step below 100 before it, so that there is evidence to promote on"
type Canary struct {
	// Steps; 5, 25, 50, 100 unless said otherwise.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Steps []Step `json:"steps,omitempty"`
	// ScaleDownDelay is the time between the end of an arm's traffic and its
	// own; 30s unless said otherwise.
	ScaleDownDelay *Duration `json:"scaleDownDelay,omitempty"`
	// ReadyWithin is how long the candidate may take to become ready; 10m
	// unless said otherwise.
	ReadyWithin *Duration `json:"readyWithin,omitempty"`
}

// Step is one rung: exactly one of weight, pause, shadow.
//
// +kubebuilder:validation:XValidation:rule="[has(self.weight), has(self.pause), has(self.shadow)].exists_one(x, x)",message="needs exactly one of weight, pause, shadow"
// +kubebuilder:validation:XValidation:rule="!has(self.margin) || has(self.weight)",fieldPath=".margin",message="must be at a weight step: promotion margins are multiplied by it"
type Step struct {
	// Weight is the percentage of traffic to the candidate.
	Weight *Weight `json:"weight,omitempty"`
	// Margin multiplies the promotion margins at this step; 4 below 20%, 2
	// below 50%, else 1 unless said otherwise; the last gate is always 1.
	// +kubebuilder:validation:Minimum=1
	Margin float64 `json:"margin,omitempty"`
	// Pause holds.
	Pause *Pause `json:"pause,omitempty"`
	// Shadow mirrors.
	Shadow *Mirror `json:"shadow,omitempty"`
}

// Pause holds: for a time, or, when empty, until a person promotes.
type Pause struct {
	// For a time above 0.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one, or pause: {} to wait for a person"
	For *Duration `json:"for,omitempty"`
}

// Mirror copies a share of stable's traffic to the candidate, whose answers
// are compared and dropped.
type Mirror struct {
	// Percent of stable's traffic, above 0.
	// +kubebuilder:validation:XValidation:rule="self > 0.0",message="mirrors nothing: write 1 to 100"
	Percent Weight `json:"percent"`
}

// Routing is exactly one router, and who goes where.
//
// +kubebuilder:validation:XValidation:rule="[has(self.gateway), has(self.gatewayAPI), has(self.istio), has(self.nginx), has(self.appMesh), has(self.replicas), has(self.flag)].exists_one(x, x)",message="needs exactly one of gateway, gatewayAPI, istio, nginx, appMesh, replicas, flag"
// +kubebuilder:validation:XValidation:rule="!has(self.flag) || !has(self.stickyBy)",fieldPath=".stickyBy",message="is the targetingKey of a flag's context, always: leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.flag) || !has(self.country)",fieldPath=".country",message="is the attribute country of a flag's context, always: leave it out"
// +kubebuilder:validation:XValidation:rule="!(has(self.always) && self.always.exists(m, has(m.cohort) && !(has(self.cohorts) && self.cohorts.exists(c, c.name == m.cohort)))) && !(has(self.never) && self.never.exists(m, has(m.cohort) && !(has(self.cohorts) && self.cohorts.exists(c, c.name == m.cohort))))",message="a cohort of always or never is not defined: list it under cohorts"
// +kubebuilder:validation:XValidation:rule="has(self.stickyBy) || has(self.flag) || !((has(self.always) && self.always.exists(m, has(m.cohort))) || (has(self.never) && self.never.exists(m, has(m.cohort))))",message="a cohort of always or never needs stickyBy, which says where a request's key is found"
// +kubebuilder:validation:XValidation:rule="has(self.country) || has(self.flag) || !((has(self.always) && self.always.exists(m, has(m.country))) || (has(self.never) && self.never.exists(m, has(m.country))))",message="the country of always or never cannot be known: say under country which header tells it"
// +kubebuilder:validation:XValidation:rule="!has(self.country) || !has(self.country.header) || !has(self.gateway) || (has(self.gateway.trustedProxies) && size(self.gateway.trustedProxies) > 0)",fieldPath=".country",message="header would be believed from anybody: name who may set it under gateway.trustedProxies"
// +kubebuilder:validation:XValidation:rule="has(self.gateway) || has(self.flag) || !(has(self.stickyBy) || has(self.country) || has(self.cohorts))",message="stickyBy, country and cohorts need Haldane's gateway: write gateway, or leave them out"
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || !(has(self.always) || has(self.never))",fieldPath=".replicas",message="cannot tell requests apart: leave always and never out, or choose another router"
// +kubebuilder:validation:XValidation:rule="!has(self.appMesh) || !((has(self.always) && self.always.exists(m, has(m.cookie))) || (has(self.never) && self.never.exists(m, has(m.cookie))))",fieldPath=".appMesh",message="cannot match cookies: match a header, or choose another router"
// +kubebuilder:validation:XValidation:rule="!has(self.nginx) || !has(self.always) || (self.always.filter(m, has(m.header)).size() <= 1 && self.always.filter(m, has(m.cookie)).size() <= 1)",fieldPath=".always",message="nginx takes one header and one cookie"
type Routing struct {
	// Gateway is Haldane's own data plane.
	Gateway *Gateway `json:"gateway,omitempty"`
	// GatewayAPI is an HTTPRoute or GRPCRoute.
	GatewayAPI *GatewayAPI `json:"gatewayAPI,omitempty"`
	// Istio is a VirtualService.
	Istio *Istio `json:"istio,omitempty"`
	// Nginx is a canary Ingress.
	Nginx *Nginx `json:"nginx,omitempty"`
	// AppMesh is a VirtualRouter.
	AppMesh *AppMesh `json:"appMesh,omitempty"`
	// Replicas splits by numbers of pods.
	Replicas *Replicas `json:"replicas,omitempty"`
	// Flag answers applications that ask which arm a user gets.
	Flag *Flag `json:"flag,omitempty"`
	// StickyBy keeps a user on one arm.
	StickyBy *StickyBy `json:"stickyBy,omitempty"`
	// Always goes to the candidate whatever the weight.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Always []Match `json:"always,omitempty"`
	// Never goes to the candidate; it wins over always.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Never []Match `json:"never,omitempty"`
	// Cohorts are lists of users.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	Cohorts []Cohort `json:"cohorts,omitempty"`
	// Country says where a request's country is known from.
	Country *Country `json:"country,omitempty"`
	// AllowDirect lets a rollout run while the user's own Service reaches pods
	// past the split; true unless said otherwise. On a cluster only.
	AllowDirect *bool `json:"allowDirect,omitempty"`
}

// Gateway is Haldane's own data plane: in this process, or a Deployment on a
// cluster.
type Gateway struct {
	// Listen is the address: 127.0.0.1:8080; :8080 listens on every address,
	// and is the default on a cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([^:]*|[[][0-9a-fA-F:.%]+[]]):(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})$')",message="is no address with a port: write it like :8080"
	Listen string `json:"listen"`
	// FeedbackPath takes labels; /feedback unless said otherwise.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.startsWith('/')",message="is no path: write it like /feedback"
	FeedbackPath string `json:"feedbackPath,omitempty"`
	// EventsPath takes events, where a metric asks for any; /events unless said
	// otherwise.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.startsWith('/')",message="is no path: write it like /events"
	EventsPath string `json:"eventsPath,omitempty"`
	// TrustedProxies are networks whose forwarding and country headers are believed.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.all(p, isCIDR(p))",message="is no network: write it like 10.0.0.0/8"
	// +listType=atomic
	TrustedProxies []string `json:"trustedProxies,omitempty"`
	// Limits bound what requests may take.
	Limits Limits `json:"limits,omitzero"`
	// Fleet is the Deployment, on a cluster.
	Fleet *GatewayFleet `json:"fleet,omitempty"`
}

// Limits bound what one request and all of them may take.
type Limits struct {
	// HeaderBytes of a request; 65536 unless said otherwise.
	// +kubebuilder:validation:Minimum=0
	HeaderBytes int `json:"headerBytes,omitempty"`
	// MirrorBodyBytes is the largest body that is mirrored; 262144 unless said otherwise.
	// +kubebuilder:validation:Minimum=0
	MirrorBodyBytes int `json:"mirrorBodyBytes,omitempty"`
	// ReadBodyBytes is the largest answer that is read for predictions; 1048576 unless said otherwise.
	// +kubebuilder:validation:Minimum=0
	ReadBodyBytes int `json:"readBodyBytes,omitempty"`
	// Concurrent requests; 4096 unless said otherwise.
	// +kubebuilder:validation:Minimum=0
	Concurrent int `json:"concurrent,omitempty"`
	// ConnectTimeout; 2s unless said otherwise.
	ConnectTimeout *Duration `json:"connectTimeout,omitempty"`
	// ResponseTimeout until the first byte of the answer; 30s unless said otherwise.
	ResponseTimeout *Duration `json:"responseTimeout,omitempty"`
	// IdleTimeout between bytes and of idle connections; 90s unless said otherwise.
	IdleTimeout *Duration `json:"idleTimeout,omitempty"`
}

// StickyBy says where the key of a user is found: exactly one of its fields.
//
// +kubebuilder:validation:XValidation:rule="has(self.header) != has(self.cookie)",message="needs exactly one of header, cookie"
type StickyBy struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Header string `json:"header,omitempty"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Cookie string `json:"cookie,omitempty"`
}

// Match selects requests: exactly one of its fields.
//
// +kubebuilder:validation:XValidation:rule="[has(self.header), has(self.cookie), has(self.country), has(self.cohort)].exists_one(x, x)",message="needs exactly one of header, cookie, country, cohort"
type Match struct {
	Header *FieldMatch `json:"header,omitempty"`
	Cookie *FieldMatch `json:"cookie,omitempty"`
	// Country codes of ISO 3166-1: NL.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=250
	// +kubebuilder:validation:items:MaxLength=8
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.matches('^[A-Z]{2}$'))",message="is no country: write two capital letters (ISO 3166-1), like NL"
	// +listType=atomic
	Country []string `json:"country,omitempty"`
	// Cohort is the name of a list of users.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Cohort string `json:"cohort,omitempty"`
}

// FieldMatch matches a header or cookie; with a name alone its presence is enough.
//
// +kubebuilder:validation:XValidation:rule="[has(self.exact), has(self.prefix), has(self.regex)].filter(x, x).size() <= 1",message="has more than one of exact, prefix, regex: keep one"
// +kubebuilder:validation:XValidation:rule="!has(self.regex) || 'x'.matches(self.regex) in [true, false]",fieldPath=".regex",message="is no regular expression"
type FieldMatch struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`
	// +kubebuilder:validation:MaxLength=1024
	Exact string `json:"exact,omitempty"`
	// +kubebuilder:validation:MaxLength=1024
	Prefix string `json:"prefix,omitempty"`
	// +kubebuilder:validation:MaxLength=1024
	Regex string `json:"regex,omitempty"`
}

// Cohort is a list of sticky keys: in the file itself, or one a line in another.
//
// +kubebuilder:validation:XValidation:rule="!has(self.file)",fieldPath=".file",message="is a file on one machine: on a cluster write keys"
// +kubebuilder:validation:XValidation:rule="has(self.keys)",message="needs keys"
type Cohort struct {
	// Name of the cohort.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Keys are what stickyBy finds in a request.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=atomic
	Keys []string `json:"keys,omitempty"`
	// +kubebuilder:validation:MaxLength=4096
	File string `json:"file,omitempty"`
}

// Country says where a request's country comes from: exactly one of its fields.
//
// +kubebuilder:validation:XValidation:rule="!has(self.database)",fieldPath=".database",message="is a file on one machine: on a cluster write header"
// +kubebuilder:validation:XValidation:rule="has(self.header)",message="needs header"
type Country struct {
	// +kubebuilder:validation:MaxLength=4096
	Database string `json:"database,omitempty"` // a MaxMind DB file with country records
	// Header that a trusted proxy sets.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Header string `json:"header,omitempty"`
}

// Inference tells how predictions are read where that cannot be told from the
// protocol.
type Inference struct {
	// Threshold of a probability that means the second class; 0.5 unless said otherwise.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	Threshold float64 `json:"threshold,omitempty"`
	// Classes are the names of class 0, 1, …
	// +kubebuilder:validation:MaxItems=1000
	// +listType=atomic
	Classes []string `json:"classes,omitempty"`
	// Expr is CEL over request and response, for answers of no known protocol.
	// +kubebuilder:validation:MaxLength=4096
	Expr string `json:"expr,omitempty"`
}
