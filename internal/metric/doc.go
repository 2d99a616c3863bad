// Package metric is the port to wherever counts come from.
//
// A Source counts; it never judges. Resets, missing series and units are the
// source's business: what it returns are whole counts of one block of time,
// for both arms, of requests that were assigned at random.
package metric
