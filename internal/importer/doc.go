// Package importer makes a ModelRollout of what people wrote for other tools:
// Flagger's Canary, Argo Rollouts' Rollout, and two Deployments with a route
// whose weights somebody moves by hand.
//
// Nothing is dropped in silence. Every field of an input object is either read
// into the rollout, told of in a Note that says what was done instead, or named
// in a Note because nothing reads it: a document keeps account of what was
// looked at, and what is left is listed. The rollout that comes out passes the
// strict reader of api/v1alpha1.
//
// Functions are pure and safe for concurrent use.
package importer
