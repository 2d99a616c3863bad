// Package supervise is the cluster as seen from inside its namespaces: it
// builds the network, makes the certificates, starts the components in order,
// runs the node agent, the DNS server and the proxy, and takes orders to stop
// and start components. It runs as the first process of a process ID
// namespace, so nothing of a cluster outlives it.
//
// Orders arrive over a socket and are carried out one per component at a time.
package supervise
