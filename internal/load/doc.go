// Package load sends synthetic requests through the split of a rollout, for
// services with too little traffic to judge by.
//
// A Generator is the load of one rollout. Towards the engine it is an Outside
// that has no say: it sends while the candidate may have traffic, and warns of
// what it could not send.
//
// The schedule is open: request i is due i/rate seconds after the first, however
// long the ones before it take, so that a slow candidate is not asked less than a
// quick one and its latencies are not left out (coordinated omission). What is
// due while all of a bounded number of requests are under way is not sent, and
// counted; so is what became due while the process had no time for more than a
// second. Nothing is ever sent in a burst to make up for it.
//
// Each pass through the bodies has an order of its own, and users come by chance,
// so that no user is tied to a body, nor an arm to one. Both are drawn from a
// fixed seed: two runs send the same.
//
// Each request carries a mark that only this process and the gateways know, by
// which they are told from those of users: see gateway.HeaderLoad.
//
// Why not a library for load tests: what those bring, reports and targets, is
// the gateway's work here, and none can follow what users leave to be sent.
//
// All methods are safe for concurrent use.
package load
