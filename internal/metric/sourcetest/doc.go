// Package sourcetest holds the contract that every adapter of metric.Source
// keeps, as tests, and an in-memory source for the tests of others.
//
// The contract in one sentence: the blocks that were saved add up to what
// happened, no request missing while the source lives and none ever counted
// twice, whatever saves failed and whatever restarted in between.
package sourcetest
