// Package rollout is the state machine of a progressive delivery: Next looks at
// what is observed and decides what should be true now.
//
// Next is a pure function. Equal inputs give equal outputs, inputs are never
// modified, and there is no clock but Observation.Now. It wants whole targets
// (Desired), never lists of steps, so that applying a decision twice, or after
// a crash, converges to the same end. A decision's State is saved before its
// Want is applied; State.Sequence tells whether there is anything to save.
//
// What never happens: a step is left without a Pass on its own evidence, taken
// while its traffic flowed, or without the router carrying what was wanted;
// lack of data, a source that does not answer or a comparison that cannot be
// trusted promotes or takes back; an arm ends while its traffic is not known
// to have left; a command is obeyed twice; a revision that ended runs again
// without a retry.
//
// What always happens: a Fail, a signal to take back, or an abort, wants all
// traffic that stable has room for on stable in the same decision. Evidence
// comes before signals, signals before people, people before what moves by
// itself, and the deadline before a late Pass.
//
// Where a workload says how much traffic it has room for, traffic goes only
// where there is room: candidates are sized before they get it, and what stable
// cannot take yet stays for a limited time.
//
// A file holds one concern each: begin and handover (which revision),
// initialize, climb (the ladder), room, hold, deadline, promote, complete, rollback,
// commands, listen (evidence), experiment (several arms and a goal), gates and signals (what is asked of the outside,
// and what it says unasked), clock, want (the target follows from the rest of
// the state alone). All functions are safe for concurrent use.
package rollout
