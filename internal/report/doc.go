// Package report tells how a rollout went, to people and to the programs that
// collect test results: each step, each metric's verdict with its numbers, how
// many requests each arm served and how long it took.
//
// A Report is made by New from the status and the journal, and written as
// Markdown, JUnit XML or JSON. It holds no opinion of its own: sentences and
// verdicts are those of the analysis, as journalled with the last block of each
// step. Everything is a pure function of its arguments and safe for concurrent
// use.
package report
