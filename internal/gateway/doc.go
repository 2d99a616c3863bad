// Package gateway is the data plane: it takes requests, asks the policy which
// arm answers each, forwards them, and tells the policy how it went.
//
// # The seam
//
// Transport and policy are apart. [Policy] decides, names and records, and
// knows nothing of connections; the transport in this package (net/http on both
// sides) moves bytes and knows nothing of weights, cohorts or predictions. A
// faster transport put in front calls the same three methods.
//
// # Invariants
//
//   - A request goes to one arm and never to the other, whatever happens to it.
//     It is sent again, to the same arm, only when net/http knows that a reused
//     connection was closed before anything of it was sent, or that the method
//     may be repeated.
//   - Every request that was decided is observed once: answered, failed, or
//     given up by its client. One that was refused before (limits, no table) is
//     nobody's and leaves no trace in the evidence.
//   - The table is immutable. Requests under way finish on the upstream they
//     were decided for; those that come later see the new one.
//   - The answer of the primary never waits for its mirror.
//   - X-Haldane-* headers of a client never reach a model, and those of a model
//     never reach a client.
//
// # Concurrency
//
// All methods of Gateway may be called from any goroutine. SetTable replaces
// the table atomically. Deciding and observing take no lock of this package and
// allocate nothing.
package gateway
