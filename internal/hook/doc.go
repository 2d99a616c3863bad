// Package hook asks and tells HTTP receivers on behalf of a rollout: the gates
// that must say yes, the tests that run before and during it, the receiver that
// may call it back, and those that are told of what happens.
//
// A Set is the hooks of one rollout. Towards the engine it is an Outside: it
// answers gates and gives signals, from what its receivers have said by now.
// Requests run beside the loop, each host's number bounded by the client that is
// shared by all rollouts. What is told (event and postRollout hooks) are
// channels of an outbox, which keeps them across restarts.
//
// Three answers are told apart:
//
//   - yes: 200 to 299.
//   - no: any other status. It holds; of a test (preRollout, rollout) so many in
//     a row take the candidate back.
//   - none: no connection, no answer in time, or one that says nothing about the
//     question (408, 429, 502, 503, 504), after all retries. It never takes
//     back. A hook that fails closed holds the rollout meanwhile, one that fails
//     open warns.
//
// For the hook that may call a rollout back, yes means take it back, and no
// means nothing.
//
// The body is that of Flagger's webhooks, with one more field, so that receivers
// made for them work as they are.
//
// A Set is safe for concurrent use. What it remembers is lost in a restart and
// asked again; the yes of a gate is in the rollout's state by then.
package hook
