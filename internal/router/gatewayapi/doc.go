// Package gatewayapi splits traffic by the weights of an HTTPRoute or a
// GRPCRoute of the Gateway API.
//
// The route is Haldane's own, attached to the Gateways that the file names, or
// the user's, all of whose rules are taken over and given back on release (the
// list of rules is atomic: it has one owner).
//
// In an adopted route, every rule that sends requests to the workload's
// Service is split; its other backends, filters and matches stay. A rule that
// does not is left as it is. Rules for forced requests carry the matches of the
// rule they come from and one header more, by which the Gateway API prefers
// them; never comes before always.
//
// What the data plane can do is what its GatewayClass reports in
// status.supportedFeatures. A class that reports nothing is taken to do what
// the standard demands of all (weights, headers) and no more. Cookies are
// matched by regular expression on the header. A rule's copies (RequestMirror)
// are of all its requests, the candidate's own included: there is no way to
// copy stable's alone.
//
// A route is Accepted when each of its Gateways says so, and that its
// references are resolved, about the route's present generation. More than that
// cannot be known here.
//
// All methods are safe for concurrent use.
package gatewayapi
