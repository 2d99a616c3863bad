// Package analysis turns counts per arm per block of time into a verdict.
//
// It owns what a metric is, which test judges it, and how the evidence of all
// metrics becomes one decision: Step(config, state, sample) returns the next
// state and the verdict. Each kind of metric has its own part of the state:
// shares of requests (failures, wrong predictions), latency by exceedances of
// fixed edges, drift of answers by events, means, levels of the arms themselves,
// and mirrored pairs.
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
//   - Fail is final. A metric that has passed at a step stays so at that step,
//     unless its evidence turns round entirely. Invalid lasts for as long as
//     counts cannot be used or an arm is silent, and for good where the comparison
//     itself was found wanting (traffic not split as configured, labels that
//     depend on the version, halves of stable that differ), since such counts
//     remain in the evidence;
//   - while stable itself is out of order nothing passes;
//   - state is plain finite data of constant size, survives JSON bit for bit, and
//     a newer version goes on from an older one's.
//
// Limits of the claim: error rates hold for requests that fail independently, and
// approximately (through tempering) for bursts. Where users stay on their arm they
// differ lastingly; shares and means with counts by group of users are judged
// accordingly, approximately too, and decide nothing while users are too few to
// tell; other metrics are marked as uncorrected. Intervals are shown, not decided by;
// each is valid at every look by itself.
//
// It is pure: no clock, no randomness, no I/O; equal inputs give equal
// outputs and inputs are never modified. All functions are safe for concurrent
// use.
package analysis
