// Package launch starts a cluster from outside its namespaces and gives it
// orders. It needs no privileges where the kernel lets users make user
// namespaces; as root it makes one all the same and does without only where it
// must. A Cluster's methods may be called concurrently.
package launch
