// Package clustertest gives a Go test a Kubernetes cluster of its own: a real
// control plane, kube-proxy and, as asked for, Traefik, istiod and Prometheus,
// with pods that are local processes. Everything lives in a network namespace
// that the test makes and that ends with it.
//
//	c := clustertest.Start(t, clustertest.Options{Traefik: true})
//	c.AddImage("example/web:v1", clustertest.Image{Program: "/path/to/web"})
//	c.Apply(`…`)
//	client := c.Client()
//
// The cluster's programs are built by `make cluster-build` into .cache/cluster.
//
// A Cluster's methods may be called concurrently. The ones without an error
// end the test when they fail.
package clustertest
