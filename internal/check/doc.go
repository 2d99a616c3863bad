// Package check sends synthetic requests to the arms of a rollout: it asks the
// candidate before its first traffic, and over and over while it has some.
//
// A Set is the checks of one rollout. Towards the engine it is an Outside: a
// check of the start is a gate that must pass once, a check that runs is a
// signal while it fails. Requests go to an arm's own address, past the split:
// no user sees them, no gateway counts them, and each carries Header.
//
// Four results are told apart:
//
//   - passed.
//   - failed: the candidate answered otherwise than expected, too late or not
//     at all. So many in a row have the effect of the check; fewer hold.
//   - shared: stable, asked right after the candidate had failed, failed too.
//     What both cannot do is not the candidate's fault: it holds, and a row of
//     failures begins anew.
//   - unsent: Haldane itself could not ask (ErrUnsent). It holds, and takes
//     nothing back.
//
// Only stable's answers to checks that the candidate has just failed are looked
// at, so stable has no more to do than it must.
//
// Each check has one request under way at most. A Set is safe for concurrent
// use; what it remembers is lost in a restart and asked again, but the pass of a
// gate is in the rollout's state by then.
package check
