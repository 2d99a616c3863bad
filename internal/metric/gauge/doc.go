// Package gauge adds levels of the arms, which somebody else measures, to what a
// source counts.
//
// A Source decorates another. The blocks stay the other's, its counts and its
// cursor as they are. Where a whole multiple of a gauge's interval lies in a block,
// the gauge is read of both arms at the block's end, at the same time, as one
// reading each; so how often is read depends on no memory, and a block that is
// asked for again is read again.
//
// A gauge that cannot be read of both arms is left out of the block, and
// everything else is judged as before: without readings a metric shows nothing, so
// that the step waits for it. Conditions tells of it.
//
// A Source is safe for concurrent use if the one it decorates is.
package gauge
