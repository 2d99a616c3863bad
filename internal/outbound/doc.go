// Package outbound sends requests to addresses that users have written: hooks,
// checks, messages.
//
// A request goes where its file says and nowhere else: a redirect is followed on
// the same host and with its body only, so that no login page is taken for a
// yes; an operator may allow some addresses and no others. Answers are read up
// to a bound, and each host gets a bounded number of requests at the same time.
// Errors name the host and nothing more of an address, since the rest of it is a
// secret as often as not.
//
// All methods are safe for concurrent use.
package outbound
