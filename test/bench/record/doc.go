// Command record measures what haldane judge needs for a long record: its
// largest resident memory and its speed, for the same number of bytes in two
// orders. One rollout after another is how a file is written that collects
// finished rollouts; interleaved, a block of each in turn, is how a fleet is
// recorded, and the hardest on memory, because every rollout's evidence is
// needed until the end.
//
// The record is made as it is read, through a pipe, so nothing of it is on disk
// or in the page cache. It holds healthy canaries and is judged for rollback
// alone, which goes on to the last block of each; the command is built from
// this tree and run with its defaults.
package main
