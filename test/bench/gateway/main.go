package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options are the flags.
type options struct {
	role, upstream, profile string

	rounds      int
	duration    time.Duration
	warmup      time.Duration
	connections int
	half        time.Duration
	requests    int
	limit       time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.role, "role", "", "used by the program itself: be this proxy")
	flag.StringVar(&o.upstream, "upstream", "", "used by the program itself: the backend's URL")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the Haldane gateway to this file")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, each with every proxy once")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "of one measurement")
	flag.DurationVar(&o.warmup, "warmup", time.Second, "of each proxy, once, before the first round")
	flag.IntVar(&o.connections, "connections", 32, "client connections")
	flag.DurationVar(&o.half, "half", 2*time.Second, "of one latency measurement at half load; 0: none")
	flag.IntVar(&o.requests, "requests", 300_000, "requests through the Haldane gateway to watch its memory; 10000000 takes some ten minutes")
	flag.DurationVar(&o.limit, "limit", 30*time.Minute, "give up after this long")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if o.role != "" {
		err = serve(ctx, o)
	} else {
		ctx, cancel := context.WithTimeout(ctx, o.limit)
		defer cancel()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-gateway:", err)
		stop()
		os.Exit(1)
	}
}
