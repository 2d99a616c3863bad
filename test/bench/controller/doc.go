// Command controller measures what haldane controller costs: its CPU, its
// memory, its calls to the API server, and the time from a verdict to the route
// that carries it out, for 1, 100 and 1,000 rollouts at once.
//
// The API server, etcd and the controller are the real ones, each a process of
// its own; the controller is built from this tree and runs with its defaults.
// What would be 2,000 pods is played: fakes of the Deployment controller and of
// a Gateway controller answer at once, no pod exists, and the scheduler,
// kube-proxy and kube-controller-manager are stopped. A small HTTP server
// answers as Prometheus does, for every rollout its own counters.
//
// A verdict is made as sure as it can be: from one scrape on, most of a
// candidate's requests fail. Its time is that of the last answer of the metric
// server before the route changes, so that what counts is the controller's own
// work and the API server's, and not how long a block of counts lasts. The time
// of the route is when a watch of this program sees it.
//
// It needs the cluster of test/cluster, built by make cluster-build.
package main
