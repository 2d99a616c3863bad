// Package judge gives verdicts on recorded counts, offline.
//
// A record is JSON lines, one block of one rollout a line, any number of
// rollouts interleaved. Each block goes through analysis.Step exactly as a live
// one does; nothing is decided here but which verdict stands at the end.
//
// What a verdict means. Every block is held to the full margin, whatever the
// step of the plan it was taken at, since a record does not say which step that
// was. Promotion evidence begins afresh whenever the weight changes, so a Pass
// stands only as long as the record stays at the weight at which it was reached
// (or goes on to all traffic): what counts is the last step recorded, and the
// probability of a wrong Pass does not grow with the number of steps. A Fail
// that comes before a Pass, or after a Pass that no longer stands, is final.
//
// Memory. Files are streamed. What is known of a rollout is small, but there
// may be any number of them: states beyond a budget are put into a temporary
// file, least recently used first, and come back bit for bit. What stays in
// memory of such a rollout is its name and its place in that file.
//
// Concurrency. File shares the rollouts among workers by their name; the order
// of blocks of one rollout, and the order of results, do not depend on how
// many there are. A Rollout belongs to one goroutine.
package judge
