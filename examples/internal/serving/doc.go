// Package serving holds what the example programs share: the command line, the
// start and the orderly end of a server, clients at an even pace, and the
// customers of examples/churn as plain records.
//
// Nothing in it knows Haldane: a server is any server, and a client differs from
// one that asks the model itself in its address alone. Only the summary that a
// client prints names the version that answered, from a response header.
//
// A [Program] runs once; the functions may be used from any number of
// goroutines.
package serving
