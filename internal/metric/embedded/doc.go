// Package embedded is the metric source of one process: what its own gateway
// counted and what its own feedback ledger joined.
//
// A [Source] keeps the recorder's state at each of its last cursors. A block is
// the difference between now and the block before, so that collecting again
// after a save that failed gives the same requests and those that came since.
//
// # Across a restart
//
// The recorder's counts end with the process. A cursor of another process
// therefore means: from this one's beginning. Requests between the last saved
// block and the end of the process are in no block, on both arms alike. Labels
// are on disk; which cohorts have been counted is part of the cursor, and so is
// the order of the classes, which the evidence relies on.
//
// # Revisions
//
// When another candidate is asked about, counting begins anew at that moment,
// so that the arm's new version does not answer for its old one.
//
// A Source is safe for concurrent use.
package embedded
