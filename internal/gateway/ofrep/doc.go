// Package ofrep answers OpenFeature's remote evaluation protocol (OFREP 0.3):
// which arm of a rollout a user gets, for models that no gateway sees: those that
// run in the application's own process, in batches, or on a phone.
//
// A [Handler] has one flag. It decides nothing by itself: an evaluation is a
// decision of the gateway, by the same split, the same hash of the key, and the
// same matches as a request would be.
//
// # What matches see
//
// The targeting key of the context is the sticky key. A header or cookie of a
// match is the attribute of the context with that name (headers in any case); a
// country is the attribute "country", a code of two letters. Attributes that are
// text, numbers or truth values are looked at, as text; others are not.
//
// # What counts
//
// Every evaluation that is answered in full is a prediction that is about to be
// made, and has a prediction ID among its metadata. One answered by 304 is none:
// its caller goes on with the ID it has.
//
// A Handler is safe for concurrent use.
package ofrep
