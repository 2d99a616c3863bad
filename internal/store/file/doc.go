// Package file keeps everything in one file: the state of rollouts, the
// journal and the secrets, in an embedded B+tree (go.etcd.io/bbolt).
//
// Buckets: "haldane" (the format), "state" (one entry a rollout), "journal"
// (one bucket for each kind and rollout, keyed by record ID), "secret". Names
// that begin with "feedback/" are reserved for the labels of predictions,
// whose owner works on DB directly.
//
// Invariants: what Save returned nil for is on the disk; a file that is
// damaged, cut short, newer or in use is an error that says what to do, never
// a panic and never a fresh start; the file is readable by its owner alone,
// because it holds the key of the prediction IDs.
//
// All methods are safe for concurrent use; writers take turns.
package file
