// Package experiment judges which of several arms reaches a goal best: the A/B
// and A/B/n experiments. Step takes one block of counts into the evidence;
// Judge says whether it has ended and why; Slots of the State say who gets which
// hundredth of the traffic.
//
// # The goal
//
// A goal is the share of right predictions, or the mean of a number with bounds.
// For every pair of arms there is one confidence sequence of the difference
// (stats.Sequence), valid at every look. With P pairs each is taken at error
// (1−confidence)/P, so that with the stated confidence all of them hold at all
// times at once (the union bound; Bonferroni). An arm wins when its interval
// against each other open arm lies above zero: that a wrong one ever does needs
// one interval to miss, so the stated error bounds it, whatever ends the
// experiment and however often it is looked at.
//
// # Users who stay
//
// Where users stay on their arm, the goal's values by group of users say how much
// groups differ lastingly (stats.Differ), and so by how much two arms can differ for
// who is on them. Half of each interval's error is set apart for that, and it is
// wider by so much; it is everything while the groups there are cannot tell.
//
// # Allocation
//
// Weights may follow the evidence (Thompson 1933): an arm's share is the
// probability that it is the best, but at least the floor. A pooled mean is
// biased then, and drifts with the time of day. The sequences are not: they
// compare the arms of one block, whose shares were fixed before it, and each
// factor has expectation at most one given all that came before. The shares are
// whole hundredths, and as few of them as possible change hands.
//
// # Safety
//
// Each treatment is judged against the control by the ordinary metrics, as a
// canary is. One that fails is closed: its hundredths go to the control for good,
// and the experiment goes on with the rest. Weights follow the evidence only once
// every open treatment has passed.
//
// The package is pure: equal inputs give equal outputs, inputs are never
// modified, and there is no clock, randomness or I/O. Functions are safe for
// concurrent use.
package experiment
