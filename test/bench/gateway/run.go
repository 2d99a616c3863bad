package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// The cores. Whatever has more lies idle.
const (
	proxyCore = 0
	loadCore  = 1
)

// measured is what one proxy showed in all rounds.
type measured struct {
	name    string
	half    []float64 // requests per second at half load, as they came out
	micros  []float64 // CPU per request
	rate    []float64 // requests per second, saturated
	added   []float64 // 99th percentile at half load less the backend's own, in ms
	p50     []float64 // likewise the median
	rss     int       // KiB, after the last round
	process *process
}

// reference is the proxy that ratios are taken to.
const reference = "httputil.ReverseProxy, nothing on"

func run(ctx context.Context, o options) error {
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("two cores are needed, one for the proxy and one for load and backend")
	}
	dir, err := os.MkdirTemp("", "bench-gateway")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{o: o, dir: dir}
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	for _, p := range b.proxies {
		if _, err := b.saturate(ctx, p, o.warmup); err != nil {
			return err
		}
	}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		if err := b.round(ctx); err != nil {
			return err
		}
	}
	for _, p := range b.proxies {
		if p.rss, err = p.process.rss(); err != nil {
			return err
		}
	}
	b.print(os.Stdout)
	return b.memory(ctx, os.Stdout)
}

// round measures every proxy once.
func (b *bench) round(ctx context.Context) error {
	for _, p := range b.proxies {
		r, err := b.saturate(ctx, p, b.o.duration)
		if err != nil {
			return err
		}
		p.micros = append(p.micros, r.cpu.Seconds()*1e6/float64(r.requests))
		p.rate = append(p.rate, float64(r.requests)/r.elapsed.Seconds())
	}
	if b.o.half <= 0 {
		return nil
	}
	// Half of what the slowest carries, so that all are given the same.
	rate := b.proxies[0].rate[len(b.proxies[0].rate)-1]
	for _, p := range b.proxies {
		rate = min(rate, p.rate[len(p.rate)-1])
	}
	rate /= 2
	direct, err := b.atRate(ctx, b.backend.addr, rate)
	if err != nil {
		return err
	}
	for _, p := range b.proxies {
		through, err := b.atRate(ctx, p.process.addr, rate)
		if err != nil {
			return err
		}
		p.half = append(p.half, float64(through.Answers)/b.o.half.Seconds())
		p.added = append(p.added, ms(through.P99-direct.P99))
		p.p50 = append(p.p50, ms(through.P50-direct.P50))
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// loaded is one run of wrk: as much as is answered.
type loaded struct {
	requests int
	elapsed  time.Duration
	cpu      time.Duration
}

func (b *bench) saturate(ctx context.Context, p *measured, d time.Duration) (loaded, error) {
	before, err := p.process.cpu()
	if err != nil {
		return loaded{}, err
	}
	s, err := wrk(ctx, b.script, p.process.addr, b.o.connections, d)
	if err != nil {
		return s, fmt.Errorf("%s: %w", p.name, err)
	}
	after, err := p.process.cpu()
	s.cpu = after - before
	return s, err
}

// memory sends many requests through the gateway and looks at its memory ten
// times on the way.
func (b *bench) memory(ctx context.Context, w *os.File) error {
	gateway := b.proxies[0]
	fmt.Fprintf(w, "\nResident memory of the Haldane gateway, MiB, after requests:\n\n| requests | MiB |\n|---|---|\n")
	sent, next := 0, 0
	for sent < b.o.requests {
		left := float64(b.o.requests-sent) / median(gateway.rate)
		d := time.Duration(min(left, float64(b.o.requests)/10/median(gateway.rate))*float64(time.Second)) + time.Second
		s, err := b.saturate(ctx, gateway, d.Truncate(time.Second))
		if err != nil {
			return err
		}
		sent += s.requests
		if sent < next && sent < b.o.requests {
			continue
		}
		next = sent + b.o.requests/10
		rss, err := gateway.process.rss()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %d | %.1f |\n", sent, float64(rss)/1024)
	}
	return nil
}

// print writes the table.
func (b *bench) print(w *os.File) {
	fmt.Fprintf(w, "%d connections, %d rounds of %s, %d bytes of body asked and %d answered, one core (of %s) for the proxy\n\n",
		b.o.connections, b.o.rounds, b.o.duration, len(question), len(reply), cpuModel())
	fmt.Fprintln(w, "| proxy | CPU per request, µs: median [range] | to ReverseProxy, median of rounds | requests/s | added at half load, ms: p50, p99 (rate) | RSS, MiB |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	i := slices.IndexFunc(b.proxies, func(p *measured) bool { return p.name == reference })
	for _, p := range b.proxies {
		ratios := make([]float64, len(p.micros))
		for r := range ratios {
			ratios[r] = p.micros[r] / b.proxies[i].micros[r]
		}
		latency := "–"
		if len(p.added) > 0 {
			latency = fmt.Sprintf("%.2f, %.2f (%.0f/s)", median(p.p50), median(p.added), median(p.half))
		}
		fmt.Fprintf(w, "| %s | %.1f [%.1f–%.1f] | %.2f | %.0f | %s | %.1f |\n", p.name,
			median(p.micros), slices.Min(p.micros), slices.Max(p.micros), median(ratios), median(p.rate), latency, float64(p.rss)/1024)
	}
}

// median is the middle of xs, or the mean of the two in the middle.
func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}
