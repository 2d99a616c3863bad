// Command podinit is the first process of every container on the test
// cluster: it builds the container's view of the machine, described on its
// standard input, and becomes the container's program. It is a program of its
// own, and small, because it starts with every container and exec probe.
package main

import (
	"fmt"
	"os"

	"github.com/haldane-dev/haldane/test/cluster/internal/sandbox"
)

func main() {
	err := sandbox.Enter()
	fmt.Fprintf(os.Stderr, "%s%v\n", sandbox.FailurePrefix, err)
	os.Exit(sandbox.StartFailure)
}
