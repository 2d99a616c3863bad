// Package stats holds the numbers behind every verdict: e-processes for counts
// and bounded means, their mixtures over effect sizes, the tempering that keeps
// them honest when requests fail in bursts, the traffic check, and attribution.
//
// An e-process is a non-negative quantity that starts at 1 and, as long as the
// null hypothesis holds, has expectation at most 1 whenever one chooses to look.
// By Ville's inequality it ever reaches 1/α with probability at most α, so it may
// be read after every block of traffic without correction. Two properties make
// that true here, and every function keeps them:
//
//   - a bet is predictable: the rates it is based on come from earlier blocks;
//   - evidence is multiplied block by block and never pooled across blocks, so
//     rates and traffic shares may drift from one block to the next.
//
// Evidence is kept as natural logarithms throughout. No function returns NaN or
// an infinity for counts up to 2^53, and all state is plain finite numbers, so it
// passes through JSON bit for bit.
//
// The package is pure: no clock, no randomness, no I/O. Values are not
// synchronised; functions are safe for concurrent use on distinct values.
package stats
