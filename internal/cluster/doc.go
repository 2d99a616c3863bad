// Package cluster is what the adapters to Kubernetes share: whom they work
// for, how they mark what they write, and when they must not write.
//
// An adapter is made for one rollout by New(cluster.Rollout) and lives until
// the rollout's spec changes or its object is gone. It reads through
// Rollout.Client, which answers from a cache that may be a little old, and
// writes what it has read and changed with the resourceVersion it has read. A
// conflict is an error like any other: the caller comes again.
//
// What always holds:
//
//   - An object carries the UID of the rollout that writes it (AnnotationOwner).
//     The first to claim it has it; another one's MayWrite is ErrClaimed.
//   - It carries the sequence of the decision that was written last
//     (AnnotationDecision). An older one is never written over it: MayWrite is
//     ErrStale. Together with the resourceVersion this keeps a former leader,
//     which woke up late, from writing what was wanted long ago.
//   - What an adapter must not forget (a template, routes as they were) is in
//     Notes before the write that makes it necessary.
//
// The package holds no state. Everything is safe for concurrent use.
package cluster
