// Package exporter shows what Haldane counts and decides as Prometheus metrics:
// what a gateway saw of each arm, and where each rollout stands. It counts
// nothing itself: every scrape reads the telemetry and the statuses as they are.
//
// # Names
//
// Names and labels are an interface that dashboards, alert rules and Haldane's
// own Prometheus source rely on: they are added to, never changed. The gateway's
// begin with haldane_gateway_, those of rollouts with haldane_rollout_. Times are
// in seconds, weights and shares between 0 and 1.
//
// The gateway's counters hold the evidence apart from what is none: a request
// that a match forced onto an arm, that was decided before the newest change of
// the split, or that warms a model up, is counted under its own assignment.
//
// # Concurrency
//
// Collectors are safe for concurrent use, as Prometheus asks.
package exporter
