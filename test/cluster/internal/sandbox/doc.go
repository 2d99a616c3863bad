// Package sandbox gives a container's process a view of its own: a file
// system that shows the host's programs read-only with the pod's volumes laid
// over it, a process tree of its own and a host name. It is no security
// boundary: it exists so that programs that expect to be in a container
// (volumes at fixed paths, process ID 1, a private /tmp) work unchanged.
//
// The node agent describes the view in a Spec and starts the podinit program
// with it; Enter, called there, builds the view and becomes the container's
// program.
package sandbox
