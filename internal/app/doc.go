// Package app wires everything together: it reads the file, opens the store,
// builds the gateway, the workloads, the metric source and the engine, serves
// the API and the dashboard, and stops it all in order.
//
// It is the one place that knows every adapter. Nothing here decides anything
// about a rollout.
package app
