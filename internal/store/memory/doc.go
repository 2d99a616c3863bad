// Package memory is a store that forgets: for tests, and for runs that leave
// no trace.
//
// It keeps the contract of store.Store and store.Journal but durability.
// States pass through JSON, as they do in every other store, so that nothing
// is shared with the caller and nothing survives here that would not survive
// there. All methods are safe for concurrent use.
package memory
