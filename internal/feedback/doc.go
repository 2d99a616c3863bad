// Package feedback takes the labels and values that come back for predictions,
// joins them to what was predicted, and hands over each cohort of predictions
// once, when all of it is old enough.
//
// A cohort is a stretch of time by the predictions' own time. It matures when
// its last prediction has reached the maturity that was asked for; until then
// labels are taken, however many have come already, and afterwards they are
// late. Comparing only mature cohorts keeps an arm whose predictions are younger,
// or whose labels come faster, from looking better or worse than it is.
//
// # What is kept
//
// A prediction ID carries all that is needed to judge its label, so predictions
// are not stored. The database holds counts per cohort, arm and predicted class,
// and, where IDs say it, per cohort, arm and group of users, in one record for each
// way that a predicted class reads (yes, no, not at all); the identity of every
// label taken, so that one sent twice counts once; and, for clients that quote IDs
// of their own, which prediction each stands for. All of it ends after the TTL.
//
// # Durability
//
// Feedback is on disk when [Ledger.Put] returns: whoever was answered need not
// send it again, and whoever was not may. How many predictions were made is
// written within a second; a process that is killed loses at most that much of
// the coverage, on both arms alike.
//
// # Correctness
//
// A label is right if it equals the predicted class. Numbers and truth values
// equal their spelling as text: 1, 1.0 and "1" are one label, as are true and
// "true". If a number was predicted instead of a class, the label's distance from
// it counts as a value. Forced requests, warm-up and mirrored copies are no
// evidence: their feedback is counted apart.
//
// # Concurrency
//
// A [Ledger] is safe for concurrent use. [Ledger.Predicted] and [Ledger.Index]
// take a short lock and never wait for the disk.
package feedback
