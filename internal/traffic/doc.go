// Package traffic says who goes where: the wanted split of requests between
// the two arms, the matches that force a request onto one, and the pure pick.
//
// Invariants: the two shares always sum to one hundred percent, because only
// the canary's is stored; a sticky key that has reached the canary stays on it
// while the weight grows, because its bucket is compared with the weight and
// never re-drawn; equal inputs give equal picks on every machine.
//
// It is pure: no clock, no I/O, no randomness of its own (the draw is passed
// in). A compiled Table is immutable and safe for concurrent use.
package traffic
