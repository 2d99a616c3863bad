// Package deployment runs the arms of a rollout as Deployments of Kubernetes.
//
// The user edits one Deployment, NAME: it is the candidate, and only its
// number of replicas and its pause are Haldane's. The version in service is
// another, NAME-stable, which Haldane makes from the pods that are ready when
// it begins, and makes again from the candidate's when that is promoted. Two
// Services, NAME-stable and NAME-canary, reach the pods of one arm each. A pair
// is two Deployments of the user's own.
//
// What always holds:
//
//   - Serving pods are there before others end: stable is ready before the
//     candidate is scaled down, and the candidate serves on until a promoted
//     stable is ready. Nothing is owned by the rollout's object, so deleting it
//     ends no pod.
//   - A candidate that may have traffic is paused, and its Service selects the
//     pods of one pod template only. An edited template waits until
//     rollout.Scale.Revision names it.
//   - A revision is the hash of a pod template as the API server holds it, less
//     Haldane's own marks and the hash that Kubernetes adds, with the hash of
//     the tracked ConfigMaps and Secrets. It is computed from what runs, never
//     from memory.
//   - What is copied to stable is in the Notes before it is written, so that a
//     half-written promotion is completed and a hand edit of stable is healed.
//   - Autoscalers and disruption budgets are never copied.
//
// The user's Deployments are written by merge patch and stable and the Services
// by server-side apply, always with the resourceVersion that was read. A
// conflict is an error; the next Apply finds what is left to do. With the
// replicas router the numbers of pods are that router's: here arms are only
// started and ended.
//
// A file holds one concern each: bootstrap, candidate, stable, services, size
// (how many pods), health, revision and template, track, contest and direct
// (what people should know), release. A Workload holds no state but the last
// conditions. All methods are safe for concurrent use.
package deployment
