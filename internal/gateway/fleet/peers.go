package fleet

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
)

// lookEvery is how often the other replicas are looked for.
const lookEvery = 2 * time.Second

// Peers are the replicas of one fleet, this one included, by host and port.
type Peers struct {
	self string
	look func(ctx context.Context) ([]string, error)
	list atomic.Pointer[[]peer]
}

type peer struct {
	address string
	hash    uint64
}

// NewPeers returns the peers that look finds; until it has found any, self is
// alone.
func NewPeers(self string, look func(ctx context.Context) ([]string, error)) *Peers {
	p := &Peers{self: self, look: look}
	p.set([]string{self})
	return p
}

func (p *Peers) set(addresses []string) {
	slices.Sort(addresses)
	out := make([]peer, 0, len(addresses))
	for _, a := range slices.Compact(addresses) {
		out = append(out, peer{a, xxhash.Sum64String(a)})
	}
	p.list.Store(&out)
}

// Look looks once. If it finds nobody, or fails, who was known is known still.
func (p *Peers) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	found, err := p.look(ctx)
	if err == nil && len(found) > 0 {
		p.set(found)
	}
	return err
}

// Run looks every two seconds until ctx ends.
func (p *Peers) Run(ctx context.Context, log *slog.Logger) {
	for failing := false; ; {
		err := p.Look(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing { // said once, not every time
			log.Warn("the other gateways cannot be looked for: those known are kept", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery + rand.N(lookEvery/10)):
		}
	}
}

// Owner returns the replica that a key belongs to, by rendezvous: the one that
// hashes highest together with it. A replica that comes or goes moves only the
// keys that are, or were, its own.
func (p *Peers) Owner(key uint64) (address string, self bool) {
	var best peer
	var highest uint64
	for i, x := range *p.list.Load() {
		if s := mix(x.hash ^ key); i == 0 || s > highest {
			best, highest = x, s
		}
	}
	return best.address, best.address == p.self
}

// Mine reports whether a key belongs to this replica.
func (p *Peers) Mine(key uint64) bool {
	_, self := p.Owner(key)
	return self
}

// Others returns the other replicas.
func (p *Peers) Others() []string {
	var out []string
	for _, x := range *p.list.Load() {
		if x.address != p.self {
			out = append(out, x.address)
		}
	}
	return out
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014): every bit of
// x moves every bit of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
