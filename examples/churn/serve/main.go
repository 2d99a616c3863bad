// Command serve runs one version of the churn model as a process of its own.
//
//	go run ./examples/churn/serve --variant good --listen 127.0.0.1:9002
//
// Once it listens it prints the address as one line. It stops on an interrupt
// or a termination signal, after the requests under way.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/haldane-dev/haldane/examples/churn"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	variant := flags.String("variant", "good", "the model to serve: "+strings.Join(churn.Variants(), ", "))
	listen := flags.String("listen", "127.0.0.1:0", "the `address` to listen on; port 0 takes a free one")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return churn.Serve(ctx, *variant, *listen, func(addr string) { fmt.Fprintln(stdout, addr) })
}
