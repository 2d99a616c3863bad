package gateway

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// everything is a policy with every kind of rule, and a request that all of them
// look at.
func everything(tb testing.TB, countryDB string) (*policy, *Request) {
	tb.Helper()
	reader, err := inference.New(inference.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	if err != nil {
		tb.Fatal(err)
	}
	g, err := New(Config{
		Recorder: telemetry.New(telemetry.Options{Sticky: true}), Reader: reader, Codec: codec,
		TrustedProxies: prefixes("10.0.0.0/8"), CountryHeader: "CF-IPCountry", CountryDB: countryDB,
		OnPrediction: func(PredictionEvent) {},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = g.Close() })
	table := Table{
		Rollout: "churn", Revision: "r2", Cohorts: map[string][]string{"beta": {"ada"}},
		Split: traffic.Split{
			Generation: 3, Canary: traffic.Percent(20), Mirror: traffic.Percent(50), Salt: "s", Open: true,
			Sticky: traffic.Sticky{Cookie: "user"},
			Always: []traffic.Match{
				{Header: &traffic.Field{Name: "x-canary", Exact: "true"}},
				{Cookie: &traffic.Field{Name: "canary", Exact: "always"}},
				{Country: []string{"FR"}}, {Cohort: "beta"},
			},
			Never: []traffic.Match{{Header: &traffic.Field{Name: "x-vip"}}},
		},
	}
	table.Upstreams = [2]Upstream{{URL: "http://127.0.0.1:1", Version: "v1"}, {URL: "http://127.0.0.1:2", Version: "v2"}}
	if err := g.SetTable(table); err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequestWithContext(tb.Context(), "POST", inferPath, strings.NewReader("{}"))
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Cookie": {"theme=dark; user=u-17"},
		"X-Forwarded-For": {"81.2.69.1"}, "X-Request-Id": {"client-1"},
	}
	return g.policy, &Request{Head: &httpHead{r}, Method: "POST", Path: inferPath, Peer: netip.MustParseAddr("10.1.2.3")}
}

// answered makes r an answer without a body.
func (r *Result) answered(head Head) {
	r.Reset()
	r.Head, r.Status, r.ContentType, r.Latency = head, 200, "application/json", 3*time.Millisecond
}

func BenchmarkDecide(b *testing.B) {
	p, r := everything(b, "")
	b.ReportAllocs()
	for b.Loop() {
		d := p.Decide(r)
		if !d.Ready() {
			b.Fatal("no table")
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	p, r := everything(b, "")
	d := p.Decide(r)
	body := []byte(oip("0.9"))
	for name, identify := range map[string]bool{"read": false, "read and ID": true} {
		b.Run(name, func(b *testing.B) {
			var res Result
			b.ReportAllocs()
			for b.Loop() {
				res.answered(r.Head)
				res.Body = body
				if identify {
					p.Identify(&d, &res)
				}
				p.Observe(&d, &res)
			}
		})
	}
}

// BenchmarkMirror is the whole way of a copy, the canary's answer included; the
// primary pays only for the offer.
func BenchmarkMirror(b *testing.B) {
	canary := httptest.NewServer(answer("application/json", oip("0.9")))
	defer canary.Close()
	p, r := everything(b, "")
	g := &Gateway{cfg: p.cfg, policy: p, up: newUpstreams(p.cfg.Limits), life: b.Context()}
	g.mirror = newMirror(g)
	table := p.route.Load().table
	table.Upstreams[traffic.Canary].URL = canary.URL
	if err := g.SetTable(table); err != nil {
		b.Fatal(err)
	}
	x := newExchange(g)
	x.r = r.Head.(*httpHead).r
	x.d = p.Decide(r)
	x.d.Mirror, x.held = true, true
	x.res.answered(r.Head)
	b.Run("offer to a full pool", func(b *testing.B) {
		for range cap(g.mirror.slots) {
			g.mirror.slots <- struct{}{}
		}
		b.ReportAllocs()
		for b.Loop() {
			g.mirror.offer(x)
		}
		for range cap(g.mirror.slots) {
			<-g.mirror.slots
		}
	})
	b.Run("copy and compare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.mirror.offer(x)
			g.mirror.wait()
		}
	})
	g.up.closeIdle()
}
