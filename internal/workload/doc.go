// Package workload is the port to whatever runs the models.
//
// It owns the contract of a Workload, and nothing that carries it out: processes,
// Deployments, and servers of somebody else each have a package below this one. A
// Workload is told all that is to run, never a step towards it, and ends nothing
// that it has not started. Package workloadtest holds what every one must keep to.
package workload
