// Package network builds the cluster's network inside a network namespace of
// its own: the node's addresses, a route for service addresses, and one
// namespace per pod, joined to the node by a routed veth pair. Nothing in it
// is a bridge, so every packet between pods passes the node's netfilter and
// kube-proxy's rules hold for pods that call themselves through a Service.
//
// It must run as root of the user namespace that owns the network namespace,
// and in the node's network namespace. All methods may be called concurrently.
package network
