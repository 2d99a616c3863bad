// Package demo plays a whole rollout on this machine: two real models, a
// gateway before them, customers who ask, and labels that come back later.
//
// It owns the scenarios, the traffic, and what each scenario should lead to.
// It decides nothing about the rollout: it reports what was decided. Run may be
// called several times at once as long as each has a dashboard address of its
// own.
package demo
