// Package kube is the Kubernetes shell: it lets the engine go round for every
// ModelRollout of a cluster, and holds no strategy of its own.
//
// One reconcile is one engine.Step: the adapters observe, rollout.Next decides,
// the state is saved in the RolloutState object, and what is wanted is applied.
// Then commands are answered and the status is projected. The next reconcile
// comes when the engine asks for it, when an object that belongs to the rollout
// changes, or when the metric source has answered: its queries run beside the
// workers, never inside them.
//
// # Adapters
//
// internal/app makes them, from one table:
//
//	Workload(cluster.Rollout) (cluster.Workload, error)
//	Router(cluster.Rollout) (router.Router, error)
//	Source(cluster.Rollout) (metric.Source, error)
//
// A cluster.Rollout says for whom: namespace, name, UID, the valid spec with
// its defaults, clients, and Notes to remember by. An adapter belongs to one
// rollout and to one version of its spec: edits that come while a revision is
// on its way wait until it is at rest, also across restarts; then new adapters
// are made, and a route that is no longer named is released once the new one
// carries the traffic. It may keep in memory what it can find out again.
//
// Calls for one rollout come one after another, at most 3 seconds long. Apply
// and Observe come at every reconcile: they read from the cache and compare,
// and write only what differs. Target.Rollout is NAMESPACE/NAME.
// Target.Sequence is that of the decision, and what is written carries it:
// before a write cluster.Rollout.MayWrite, then Stamp, and the resourceVersion
// that was read. So an older decision is never written over a later one,
// whoever holds it. A conflict is returned as it is; the next reconcile comes
// within a second.
//
// Wanted is level-triggered and its order is kept for the adapters: the split
// is applied before the scale, and an arm is not asked to end before its
// traffic is known to have left. rollout.Scale{Promoted: true} with Stable false
// asks the workload to make stable run the candidate's revision (promotion by
// copy): once Revisions says that both are equal, the core waits until stable
// is ready, moves the traffic back and ends the candidate.
//
// # Concurrency
//
// Reconciles of one rollout never overlap; those of different ones run beside
// each other. The process that holds the lease works alone; one that lost it
// and does not know yet is stopped by the preconditions of the state and of
// every object it writes.
package kube
