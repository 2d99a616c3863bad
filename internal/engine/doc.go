// Package engine is the only loop: it observes, lets the pure core decide,
// saves, applies, and tells.
//
// One tick gathers the commands, the workloads and the traffic; closes the
// block of counts when it is due or when the weight that the router reports
// has changed; takes it into the evidence (analysis.Step); decides
// (rollout.Next); saves state and evidence by one Save; applies what is
// wanted; hands events and the block to the journal and to subscribers. The
// engine holds no strategy: every choice about a rollout is made by Next.
//
// Invariants:
//   - Save before apply. A decision that could not be saved is not applied,
//     but for one that only takes traffic away from the canary (see apply.go).
//   - A block is in the evidence exactly once: the evidence, the source's
//     cursor and the decision are one Save, and a block whose Save failed is
//     collected again from the same cursor.
//   - Block numbers grow strictly, across restarts too.
//   - A block is of one division of traffic, also if that changes while the counts
//     of the block before are on their way; and a step is judged by blocks that
//     began once its traffic was seen to flow.
//   - Want is the whole target. It is applied after a restart, before the
//     first observation, and again at every tick.
//   - No port is waited for longer than Config.Timeout, and a port that does
//     not come back keeps nothing else waiting.
//   - Time is elapsed time: a clock that jumps moves no deadline (clock.go).
//
// Run owns all state. Submit, Status, Subscribe, Reload, Done and Outcome are
// safe for concurrent use.
package engine
