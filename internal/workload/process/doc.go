// Package process runs the two arms of a rollout on this machine: as commands
// that it starts, probes, restarts and ends, or as URLs of servers that
// somebody else runs, which it only probes.
//
// A command gets a free loopback port (unless its endpoint names a URL) in
// $PORT, $HOST and $ADDRESS, and for {port}, {host} and {address} in its
// arguments and environment. It runs in a process group of its own; ending it
// is SIGTERM to the group, a grace period, SIGKILL. A command that ends by
// itself, or whose liveness probe fails, is started again with a back-off that
// doubles up to a cap and starts over after a healthy minute.
//
// Commands end with Haldane. On Linux the kernel sees to that even after a
// kill -9 of Haldane (for the command itself; a shell's children should be
// exec'ed). On other systems a killed Haldane leaves its commands behind; they
// hold ports of their own and keep nothing from starting anew. A Haldane that
// starts never adopts earlier commands.
//
// Each role has one goroutine that owns its command. All methods are safe for
// concurrent use.
package process
