// Package fleet is what a gateway needs to be one of several that split the
// traffic of one rollout.
//
// A Document is the table as it is handed to all of them; a Carrier brings one
// gateway to it and says, as an Ack, which one the gateway carries. Recorders
// counts each revision apart. Peers knows the other replicas and which of them a
// key belongs to.
//
// What always holds:
//
//   - A document that cannot be used changes nothing: the gateway goes on with
//     the one before, and the Ack says why.
//   - Equal documents have equal digests, and an Ack names the digest of what
//     the gateway carries, never of what it was only told.
//   - What a gateway counted for one pair of versions is never shown under
//     another: counters begin at zero with each.
//   - With the same list of peers, all replicas give a key to the same one.
//
// All types are safe for concurrent use.
package fleet
