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
	rate        float64
	half        time.Duration
	requests    int
	limit       time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.role, "role", "", "used by the program itself: be this proxy")
	flag.StringVar(&o.upstream, "upstream", "", "used by the program itself: the backend's URL")
	flag.Float64Var(&o.rate, "rate", 0, "used by the program itself: requests per second at half load")
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
	switch o.role {
	case "load":
		err = pacedLoad(o)
	case "":
		timed, cancel := context.WithTimeout(ctx, o.limit)
		defer cancel()
		err = run(timed, o)
	default:
		err = serve(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-gateway:", err)
		stop()
		os.Exit(1)
	}
}
