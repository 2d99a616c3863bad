package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// options are the flags.
type options struct {
	cluster  string // folder that cluster-build has filled
	haldane  string // "" is built
	sizes    []int
	scrape   time.Duration
	warmup   time.Duration
	window   time.Duration
	realtime bool
	profiles string
	limit    time.Duration
}

func main() {
	o, err := flags(os.Args[1:])
	if err == nil {
		log.SetLogger(logr.Discard())
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		timed, cancel := context.WithTimeout(ctx, o.limit)
		defer cancel()
		err = run(timed, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-controller:", err)
		os.Exit(1)
	}
}

// flags reads the command line.
func flags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench-controller", flag.ExitOnError)
	sizes := f.String("rollouts", "1,100,1000", "how many at once, one run each")
	short := f.Bool("short", false, "a few rollouts and seconds, to see that it works: its figures say nothing")
	f.StringVar(&o.cluster, "cluster", ".cache/cluster", "what make cluster-build has built")
	f.StringVar(&o.haldane, "haldane", "", "program to measure (default: built from this tree)")
	f.DurationVar(&o.scrape, "scrape", 15*time.Second, "the rollouts' scrapeInterval; a block is twice as long")
	f.DurationVar(&o.warmup, "warmup", 90*time.Second, "the rollouts' warmup")
	f.DurationVar(&o.window, "window", 3*time.Minute, "of a measurement at rest, and of one in progress")
	f.BoolVar(&o.realtime, "realtime", false, "run the controller before everything else on this machine (chrt -f 5)")
	f.StringVar(&o.profiles, "profiles", "", "folder for CPU and heap profiles of the controller")
	f.DurationVar(&o.limit, "limit", 2*time.Hour, "give up after this long")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *short {
		*sizes, o.scrape, o.warmup, o.window = "3", time.Second, 2*time.Second, 10*time.Second
	}
	for _, s := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return o, fmt.Errorf("-rollouts %q: write numbers from 1 on, with commas between", *sizes)
		}
		o.sizes = append(o.sizes, n)
	}
	return o, nil
}
