// Package workloadtest holds the contract that every adapter of
// workload.Workload keeps, as tests, and workloads in memory for the tests of
// others.
package workloadtest
