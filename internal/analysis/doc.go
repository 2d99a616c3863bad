// Package analysis turns counts per arm per block of time into a verdict.
//
// It owns what a metric is, which test judges it, and how the evidence of all
// metrics becomes one decision: Step(config, state, sample) returns the next
// state and the verdict. Each kind of metric has its own part of the state:
// shares of requests (failures, wrong predictions), latency by exceedances of
// fixed edges, drift of answers by events, bounded means, and mirrored pairs.
//
// Two kinds of evidence are kept for each metric. Evidence for a rollback, that
// the canary is worse than tolerated, is one process over the whole rollout,
// restarted in small part every minute so that late regressions are caught.
// Evidence for a promotion, that the canary is within its margin, starts afresh
// at every step. Both may be read after every block.
//
// Invariants:
//
//   - a block at or before the newest one taken in changes nothing;
//   - a block in which an arm has no counts changes no evidence: counts wait for
//     the other arm, and are dropped if the traffic share changes meanwhile;
//   - blocks of the canary's warm-up are history of stable, never evidence;
//   - Fail is final. Invalid lasts as long as its cause: one block for counts that
//     cannot be used, until the evidence recedes for a wrong split of traffic;
//   - state is plain finite data of constant size, and survives JSON bit for bit.
//
// Limits of the claim: error rates hold for requests that fail independently, and
// approximately (through tempering) for bursts. With sticky cohorts users differ
// lastingly, which these tests do not yet account for. Intervals are for display
// and valid at one look only.
//
// It is pure: no clock, no randomness, no I/O; equal inputs give equal
// outputs and inputs are never modified. All functions are safe for concurrent
// use.
package analysis
