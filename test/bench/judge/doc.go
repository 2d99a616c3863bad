// Command judge compares ways of deciding about a canary on the same simulated
// rollouts.
//
// A workload says what traffic does: rates, splits, error shares or latencies, how
// the canary differs, and when. Each of its rollouts is drawn once, tick by tick,
// and shown to every rule: Haldane's own analysis.Step, the rules of Flagger, Argo
// Rollouts and Kayenta as their documentation describes them, a z-test looked at
// every minute, and a static threshold tuned by an oracle that knows both the
// healthy and the regressed workload. Where a document leaves something open, the
// rule is given the reading that is better for it.
//
// Everything follows from one seed: equal seeds give equal tables, however many
// cores there are.
//
// The full form (make bench-judge) takes minutes, prints the tables and rewrites
// its section of docs/benchmarks.md with the plots in docs/images. The reduced form
// is this package's test: it fails when the decision core misses a figure that it
// has to reach.
package main
