// Package guardrail watches numbers that somebody else measures: limits that hold
// whatever the comparison of the arms says, and signals that there is nothing to
// compare with, whose change is an anomaly.
//
// A Set is those of one rollout. Towards the engine it is an Outside that asks no
// questions and gives signals, from what has been read by now. Readings are made
// beside the loop, from when the rollout progresses until it has ended.
//
// What always holds:
//
//   - no value is never a value: what cannot be read holds the rollout, unless its
//     author wants otherwise, and is told in any case;
//   - a limit takes back after as many readings outside it as the file says, and
//     holds before that;
//   - what is in dryRun does nothing but tell what it would have done;
//   - an anomaly alarms with at most the stated probability in one attempt, if the
//     readings before the rollout and after are exchangeable. Where those before it
//     visibly depend on each other, that is told, and it takes nothing back.
//
// # Across a restart
//
// Nothing is saved. A limit counts anew: it holds until it has been read, and takes
// back by so many readings later. An anomaly asks its provider again for all
// readings since before the rollout, whose times follow from when the attempt began,
// and repeats the draws by which ties are broken, which are hashes: it finds the
// same evidence as before.
//
// A Set is safe for concurrent use.
package guardrail
