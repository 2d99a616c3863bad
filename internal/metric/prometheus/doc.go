// Package prometheus reads counts per arm out of a Prometheus server.
//
// It owns the way from raw counters to blocks: Read asks for the samples as they
// were scraped and forms the differences itself, because rate and increase
// extrapolate, and lose what a new series counted before its first scrape.
//
// What always holds:
//
//   - every increment of every series is counted once, in the block in which the
//     scrape that showed it fell;
//   - a counter that falls has been reset, and counts from zero;
//   - a series that appears while others of its metric were already there is a
//     process that began then, and counts from zero; if none were, the server may
//     only have begun to scrape, and its first sample is no count;
//   - the buckets of a histogram are reset together.
//
// A failed scrape moves counts to a later block and loses none; what a process
// counted between its last scrape and its end is lost, on both arms alike.
//
// Read holds no state between calls and is safe for concurrent use.
package prometheus
