// Package prometheus reads counts per arm out of a Prometheus server: of rollouts
// that run, by [Source], and of those that ran, by [Read].
//
// It owns the way from raw counters to blocks: it asks for the samples as they were
// scraped and forms the differences itself, because rate and increase extrapolate,
// and lose what a new series counted before its first scrape.
//
// What always holds:
//
//   - every increment of every series is counted once, in the block in which the
//     scrape that showed it fell;
//   - a counter that falls has been reset, and counts from zero;
//   - a series that appears while others were already there is a process that began
//     then, or something that it counts for the first time, and counts from zero; if
//     none were, the server may only have begun to scrape, and its first sample is no
//     count;
//   - the buckets of a histogram are reset together. Histograms are classic or
//     native, and the same on both arms.
//
// A failed scrape moves counts to a later block and loses none; what a process
// counted between its last scrape and its end is lost, on both arms alike.
//
// # While a rollout runs
//
// A block of a Source lies between two absolute times, kept in the cursor, so that
// it is the same however often it is asked for, and goes on across a restart. It
// ends a scrape before now, since samples come only when their scrape has ended, and
// holds at least two scrapes. Where the canary's share has changed, or the first
// block begins, an increment counts only if both of its scrapes are later: what
// straddles the change is no evidence of either share. The values before a block and
// those in it come in one answer; servers that take turns have scraped at different
// times, and would look like resets.
//
// Whether a series is of an arm is for [Arms] to say. Where a known system keeps its
// counters is in [Presets].
//
// # Errors
//
// One that wraps metric.ErrUnavailable may pass by itself; any other needs somebody
// to change something. Each is one sentence that names the server and the question.
// No message holds a token. Answers are bounded in size, and the server may not send
// elsewhere.
//
// Read holds no state between calls, and neither does a Source, but for what it last
// found missing. Both are safe for concurrent use.
package prometheus
