// Package objecttest is a small cluster in memory for the tests of routers: an
// API server that knows server-side apply, a data plane that takes what it is
// given, and a rollout of the Deployment churn with the Services of both arms.
//
// A World is used by one test. Its hooks are set before use.
package objecttest
