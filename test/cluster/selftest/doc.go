// Package selftest tests the test cluster: that what it pretends to be, a node
// that runs pods, behaves as the real one does wherever Haldane looks, and
// that the real data planes on it split traffic as they are told. Its tests
// need `make cluster-build` and share one cluster.
package selftest
