// Package install tests what is in deploy: that the chart says what the plain
// manifests say, and that Haldane works on a real cluster when it is installed
// by them, with the rights that they give it and no others.
//
// It is a module of its own because Helm's template engine is nothing that
// Haldane needs. The cluster is that of test/cluster; make cluster-build makes
// it, and make e2e-install runs these tests.
package install
