// Package rollout is the state machine of a progressive delivery: Next looks at
// what is observed and decides what should be true now.
//
// Next is a pure function. Equal inputs give equal outputs, inputs are never
// modified, and there is no clock but Observation.Now. It wants whole targets
// (Desired), never lists of steps, so that applying a decision twice, or after
// a crash, converges to the same end. A decision's State is saved before its
// Want is applied. All functions are safe for concurrent use.
package rollout
