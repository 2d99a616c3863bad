// Package store is the port to whatever remembers.
//
// It owns the contracts of a Store, which has the state that a rollout goes on
// from, and of a Journal, which has what people read. A state that was saved is
// durable, and is never overwritten by somebody who has not seen it; a journal
// may lose its newest records and no evidence with them. Package storetest holds
// what every implementation must keep to.
package store
