// Package kube keeps the state of rollouts in RolloutState objects, one beside
// each ModelRollout.
//
// One Save is one write of the whole object, conditional on what was there
// before, so that it is durable and never half done. A write whose answer is
// lost shows as a conflict at the next Save: the caller loads again and finds
// what was written. States of more than 64 KiB are compressed; one that is
// still larger than 512 KiB is refused.
//
// An object whose ModelRollout was deleted and created again under the same
// name belongs to the former one: it loads as a state that was never saved,
// and the first Save replaces it.
//
// Notes share the object with the state and are written by themselves. Store
// and Notes are safe for concurrent use; reads ask the API server itself.
package kube
