// Package reading is the port to numbers that somebody else measures: a query of
// a monitoring system, a field of a JSON document.
//
// A Reader reads one number. A Past is one that also knows what the number was
// earlier. There being no number is an error of its own, ErrNone, and never a
// zero: no series, null and NaN are all that.
//
// What is asked may hold placeholders, {{version}} among them, that Fill replaces
// by what is true of one arm of one rollout.
//
// Readers are safe for concurrent use. Their errors are sentences for people that
// name the server and no more of its address, and hold no secret.
package reading
