// Package analysis turns counts per arm per block of time into a verdict.
//
// It owns what a metric is, which test judges it, and how the evidence of all
// metrics becomes one decision: Step(config, state, sample) returns the next
// state and the verdict. State is plain data, small and of constant size, and
// survives JSON bit for bit.
//
// It is pure: no clock, no randomness, no I/O; equal inputs give equal
// outputs and inputs are never modified. All functions are safe for concurrent
// use.
package analysis
