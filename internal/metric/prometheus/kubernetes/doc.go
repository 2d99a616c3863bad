// Package kubernetes makes the Prometheus source of a ModelRollout on a cluster.
//
// [New] chooses, by the spec, where each metric is counted (a preset's series, or
// those of the spec, which win), and how a series is known to be of an arm: by the
// pod it comes from where each process is of one arm, and by a label where one
// process is in the path of both.
//
// A pod's arm is read from the pod itself, by the selectors of the rollout's two
// Services, of which the canary's pins the hash of the pod template. The name of a
// pod decides nothing: churn-stable-… begins like churn-….
//
// A bearer token is read from the one Secret that the spec names, by get alone,
// and is in no message.
//
// What New returns is safe for concurrent use.
package kubernetes
