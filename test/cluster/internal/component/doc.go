// Package component runs the cluster's own programs (etcd, the API server,
// Traefik, …) as child processes that can be killed, stopped and started
// again while the cluster runs. A Component's methods may be called
// concurrently; at most one process of it exists at a time.
package component
