package gateway

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Headers between the gateway, its clients and the models behind it.
const (
	// HeaderVersion names the version that serves: to the client and upstream.
	HeaderVersion = "X-Haldane-Version"
	// HeaderPredictionID is the prediction ID, to the client.
	HeaderPredictionID = "X-Haldane-Prediction-Id"
	// HeaderArm is "stable" or "canary", upstream.
	HeaderArm = "X-Haldane-Arm"
	// HeaderMirror is "true" on a mirrored copy, upstream.
	HeaderMirror = "X-Haldane-Mirror"
	// HeaderWarmup marks, with any value, a request that is no evidence: one
	// that warms a model up or checks its health. A client that sets it only
	// takes its own request out of the counts.
	HeaderWarmup = "X-Haldane-Warmup"
	// HeaderLoad marks a request of Haldane's own load, to the gateway with the
	// text that Table.Load knows the digest of, and upstream with "true". With
	// any other text it means nothing.
	HeaderLoad = "X-Haldane-Load"

	headerPrefix = "X-Haldane-"
)

// policy is the Policy of a Gateway.
type policy struct {
	cfg   Config
	geo   *countries // nil without a file
	route atomic.Pointer[route]
	users atomic.Uint64 // requests, while Load.Watch
}

// Decide implements Policy.
func (p *policy) Decide(r *Request) Decision {
	rt := p.route.Load()
	if rt == nil {
		return Decision{}
	}
	r.policy, r.located = p, false
	s := &rt.table.Split
	if r.Preview && !s.Open && s.Canary == 0 {
		return Decision{Closed: true, route: rt}
	}
	choice := traffic.Choice{Arm: traffic.Canary, Forced: true}
	if !r.Preview {
		choice = rt.pick.Pick(r, rand.Uint64())
	}
	d := Decision{
		Choice:   choice,
		Protocol: inference.Detect(r.Method, r.Path, r.Head.Header("Content-Type")),
		Warmup:   r.Head.Header(HeaderWarmup) != "",
		Start:    time.Now(),
		route:    rt,
	}
	if rt.table.Load != nil {
		p.tellLoad(&d, r)
	}
	if d.Warmup {
		d.Mirror = false
		return d
	}
	if reached := &rt.reached[d.Arm]; !d.Forced && !reached.Load() {
		reached.Store(true)
	}
	p.cfg.Recorder.Assign(d.Choice, s)
	return d
}

// Header implements traffic.Request.
func (r *Request) Header(name string) string { return r.Head.Header(name) }

// Cookie implements traffic.Request.
func (r *Request) Cookie(name string) string { return r.Head.Cookie(name) }

// Country implements traffic.Request. It is looked for once.
func (r *Request) Country() string {
	if !r.located {
		r.located = true
		r.country = r.policy.locate(r)
	}
	return r.country
}

// locate finds the country of r: what it brought, else what a trusted proxy says, else the file.
func (p *policy) locate(r *Request) string {
	if r.brought != "" {
		return r.brought
	}
	trusted := p.trusts(r.Peer)
	if p.cfg.CountryHeader != "" && trusted {
		if code := countryCode(r.Head.Header(p.cfg.CountryHeader)); code != "" {
			return code
		}
	}
	if p.geo == nil {
		return ""
	}
	client := r.Peer
	if trusted {
		client = p.client(r.Head.Header("X-Forwarded-For"), client)
	}
	return p.geo.lookup(client)
}

// trusts reports whether the forwarding headers of peer are believed.
func (p *policy) trusts(peer netip.Addr) bool {
	if len(p.cfg.TrustedProxies) == 0 {
		return false
	}
	peer = peer.Unmap()
	for _, prefix := range p.cfg.TrustedProxies {
		if prefix.Contains(peer) {
			return true
		}
	}
	return false
}

var _ traffic.Request = (*Request)(nil)
