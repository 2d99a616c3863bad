// Package plan foretells what a rollout can detect and how long it will take.
//
// It owns no test of its own: the bets of internal/stats, with the margins and
// thresholds of the rollout's analysis.Config, are given the counts to be
// expected, which makes the logarithm of each e-process a random walk with known
// drift and noise. When it crosses its bound is then foretold by the law of the
// first passage of a Brownian motion with drift (the inverse Gaussian
// distribution), with three corrections for what analysis does besides: evidence
// is tempered by an estimated dispersion that exceeds 1 by chance, it is held
// back for the first blocks, and it is read once a block.
//
// What the forecasts leave out: users that differ lastingly under sticky
// cohorts, and changes of traffic or of stable's own rates. They err by some ten
// percent against simulations of analysis.Step; a test holds that.
//
// Each step is looked at by itself, as if a regression began with it: evidence
// for a rollback that earlier steps would have gathered only makes it faster.
//
// Everything here is pure and safe for concurrent use.
package plan
