// Package node is the cluster's kubelet: it registers one Node, watches the
// pods bound to it and runs each container as a local process with the pod's
// own address, the container's environment, volumes and probes. What it
// reports (phases, conditions, reasons such as CrashLoopBackOff and
// ImagePullBackOff, exit codes, termination messages, events) follows the
// kubelet, since that is what the software under test reads.
//
// # What an image is
//
// There are no images. A table in a file maps an image's name to a program,
// its arguments and its environment; it is read again whenever a container
// starts, as a registry would be asked. A name that is not in the table gives
// ErrImagePull.
//
// # Concurrency
//
// One worker per pod owns everything about it; within a worker, each container
// and each probe has a goroutine. A container's record is guarded by the
// worker's mutex. Status is pushed by one goroutine per worker, coalesced, and
// tried again for as long as the API server is away.
//
// # What it leaves out
//
// Resource limits, users other than the one who runs the cluster, native
// sidecars, ephemeral containers, persistent volumes, changes of a running
// pod's spec, and attaching to a container's program.
package node
