// Package plan foretells what a rollout or an experiment can detect and how long it
// will take.
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
// percent against simulations of analysis.Step; a test holds that. What is taken
// for lasting by chance is reckoned with in means, which groups of users judge.
//
// Of an experiment the walks themselves are simulated, with a fixed seed: how it
// ends hangs on the evidence on all pairs of its arms, which have arms in common.
// What a bet makes of a value is asked of experiment.Step, and tests compare with
// what Step and Judge make of simulated values.
//
// Each step is looked at by itself, as if a regression began with it: evidence
// for a rollback that earlier steps would have gathered only makes it faster.
//
// Everything here is pure and safe for concurrent use.
package plan
