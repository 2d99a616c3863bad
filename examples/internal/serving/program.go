package serving

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// Program is one example: a model server in several versions, and its clients.
type Program struct {
	// Variants are the versions that can be served; the first is the default.
	Variants []string
	// Serve answers for a variant on l until ctx ends, then finishes what is
	// under way and returns nil. It closes l.
	Serve func(ctx context.Context, variant string, l net.Listener) error
	// Dial returns what asks the server, or the gateway before it, at a base
	// address such as http://127.0.0.1:8080.
	Dial func(base string) (Ask, error)
}

// Ask sends request number n and returns what came back; it must be safe for
// concurrent use. An error that wraps [ErrUnreachable] means that nobody
// answered, any other that the answer was a failure.
type Ask func(ctx context.Context, n int) (Answer, error)

// Answer is what a client keeps of an answer.
type Answer struct {
	// Version served it, as the gateway says; empty without a gateway.
	Version string
	// PredictionID and Truth, if both are there, are sent to the gateway later:
	// what was predicted, and what turned out to be true.
	PredictionID, Truth string
}

// ErrUnreachable is wrapped by the error of a request that nobody answered.
var ErrUnreachable = errors.New("nobody answers")

// Main runs p as the arguments of this process say, until it is done, is
// interrupted or asked to terminate.
func Main(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Run runs p: a server by default, its clients with --send. A server prints the
// address it listens on as one line; clients print what they have seen.
func (p Program) Run(ctx context.Context, args []string, out, errOut io.Writer) error {
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	flags.SetOutput(errOut)
	variant := flags.String("variant", p.Variants[0], "the version to serve: "+strings.Join(p.Variants, ", "))
	listen := flags.String("listen", "127.0.0.1:0", "the `address` to serve on; port 0 takes a free one")
	send := flags.String("send", "", "serve nothing, send requests to this `URL` instead")
	rate := flags.Float64("rate", 200, "requests a second with --send")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case !slices.Contains(p.Variants, *variant):
		return fmt.Errorf("no variant is named %q: choose one of %s", *variant, strings.Join(p.Variants, ", "))
	case *send != "" && !(*rate > 0 && *rate <= maxRate):
		return fmt.Errorf("--rate %v: want more than 0 and at most %d requests a second", *rate, maxRate)
	case *send != "":
		ask, err := p.Dial(strings.TrimSuffix(*send, "/"))
		if err != nil {
			return err
		}
		s := sender{ask: ask, base: strings.TrimSuffix(*send, "/"), rate: *rate, out: out}
		return s.run(ctx)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	return p.Serve(ctx, *variant, l)
}
