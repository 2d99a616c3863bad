// Package object is what the routers of Kubernetes share: one object of the
// cluster that holds the split.
//
// A Keeper owns one field of one object (all of spec where the object is
// Haldane's, one list where it is the user's), brings it to what is wanted by
// server-side apply and puts it back. A Contest, shared by the keepers of one
// router, counts how often somebody else rewrote it.
//
// What always holds:
//
//   - An object that exists and is not Haldane's is not touched, unless it is
//     to be adopted; then what it said is in Notes before the first write.
//   - The annotation of Mark says which split was written last, and carries two
//     digests: of what was sent and of what the API server made of it, defaults
//     and webhooks included (a dry run tells). The first finds a change of the
//     wish, the second a change by somebody else.
//   - Before a write the object is read from the API server itself; the write
//     carries the resourceVersion read and obeys Rollout.MayWrite.
//   - What is wanted already is not written.
//
// Objects are handled as JSON, so that fields of a user's object which this
// version of Haldane has never heard of survive being adopted and given back.
//
// Calls that write come one after another (router.Router says so). Reading is
// safe beside them.
package object
