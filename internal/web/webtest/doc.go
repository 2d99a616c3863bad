// Package webtest replays believable rollouts to the API and the dashboard
// without an engine: the same scenario and seed give the same blocks.
//
// A Fake is a web.Rollouts over one or more Scenarios. It advances only when
// it is told to (Advance), or by a clock of the caller's (Play). Evidence in
// it is computed from the counts it makes up, by a likelihood ratio of the
// same form as the real one, so that what is drawn has the right shape; it is
// no oracle for statistics. A Fake is safe for concurrent use.
package webtest
