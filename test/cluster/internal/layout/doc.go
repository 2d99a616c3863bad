// Package layout says where things are: the addresses inside the cluster's
// network namespace and the files in a running cluster's folder. Both sides,
// the launcher outside and the supervisor inside, agree through it alone.
// It holds no state.
package layout
