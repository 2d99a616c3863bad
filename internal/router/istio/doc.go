// Package istio splits traffic by the http routes of a VirtualService
// (networking.istio.io/v1).
//
// The VirtualService is Haldane's own, for the hosts that the file names, or
// the user's, all of whose http routes are taken over and given back on release
// (the list is atomic: it has one owner). In an adopted one, every route that
// leads to the workload's Service is split; its other destinations, matches and
// settings stay. Routes for forced requests come right before the one they come
// from, never before always: the first that matches wins.
//
// The arms are two Services. With a DestinationRule they are subsets, stable
// and canary, of the workload's Service: one that exists is used as it is, else
// one is made by the labels that the two Deployments select. It is there before
// the first route that names it and until the last is gone.
//
// Another VirtualService for one of the hosts, at one of the gateways, makes
// the outcome undefined: while there is one nothing is applied.
//
// What Istio says in the status is used, if it is set up to say anything;
// otherwise what has stood for object.SettleTime is taken to be carried. A
// route's copies (mirror) are of all its requests, the candidate's own
// included.
//
// All methods are safe for concurrent use.
package istio
