// Package telemetry counts what the data plane sees, per arm: requests,
// failures, latencies, predictions, tokens and mirrored pairs. It judges
// nothing and keeps nothing of a request but counts.
//
// # What is evidence
//
// Requests that a match forced, that warm a model up, or that were decided
// under an older generation of the table than the newest are counted apart.
// The last are those under way while the split changes: they began in another
// block, at other shares, and the slow ones would weigh on one arm only. Of the
// rest:
//
//   - errors: every request that its client waited for, failed or not;
//   - latency: every request that did not fail. A failure has no latency of its
//     own: one that fails at once would make its arm look fast. A request that
//     its client gave up counts with the time it was waited for, since
//     min(latency, patience) orders the arms as latency does while leaving it
//     out would hide the slowest;
//   - predictions: of requests that neither failed nor were given up.
//
// # Concurrency
//
// A [Recorder] is written by any number of goroutines without locks and, once
// every class has been seen, without allocation. Writers fill one of two sets
// of cells; [Recorder.Snapshot] swaps the sets, waits for the few writers still
// in the old one, and adds it to the totals. A [Snapshot] therefore holds whole
// requests only: never a failure without its request, nor a sum without its
// count. Snapshots are plain data, never changed after they are returned.
//
// Memory is constant: classes, weights and sticky keys are bounded, and what is
// beyond a bound is counted as such.
package telemetry
