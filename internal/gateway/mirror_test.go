package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

var mirrorAll = traffic.Split{Generation: 1, Mirror: traffic.Full}

// seen is what reached a mirrored canary.
type seen struct {
	method, uri, body string
	header            http.Header
}

func spy(got chan<- seen, then http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- seen{r.Method, r.RequestURI, string(body), r.Header.Clone()}
		then.ServeHTTP(w, r)
	})
}

func TestMirrorSendsTheSameRequest(t *testing.T) {
	stable, canary := make(chan seen, 1), make(chan seen, 1)
	events := make(chan PredictionEvent, 2)
	r := start(t, spy(stable, answer("application/json", oip("0.9"))), spy(canary, answer("application/json", oip("0.2"))),
		func(c *Config) { c.OnPrediction = func(e PredictionEvent) { events <- e } })
	r.split(t, mirrorAll)
	resp, body := do(t, client(t), "POST", r.url(inferPath+"?q=1"), `{"id":"c-1","inputs":[]}`, "X-Custom", "1")
	if body != oip("0.9") || resp.Header.Get(HeaderVersion) != "v1" {
		t.Errorf("the client got %q from %s", body, resp.Header.Get(HeaderVersion))
	}
	a, b := <-stable, <-canary
	if a.header.Get(HeaderMirror) != "" || b.header.Get(HeaderMirror) != "true" ||
		b.header.Get(HeaderArm) != "canary" || b.header.Get(HeaderVersion) != "v2" {
		t.Errorf("marks: stable %v, canary %v", a.header, b.header)
	}
	for _, name := range []string{HeaderMirror, HeaderArm, HeaderVersion} {
		a.header.Del(name)
		b.header.Del(name)
	}
	if d := cmp.Diff(a, b, cmp.AllowUnexported(seen{})); d != "" {
		t.Errorf("the copy differs:\n%s", d)
	}
	r.ledger.await(t, "the pair", func() bool { return len(r.ledger.pairs) == 1 })
	if p := r.ledger.pairs[0]; !p.Comparable || !p.Disagree || p.StableBad || p.CanaryBad || p.CanaryLatency <= 0 || p.StableLatency <= 0 {
		t.Errorf("recorded %+v", p)
	}
	if len(r.ledger.exchanges) != 1 {
		t.Errorf("%d exchanges recorded, want the primary alone", len(r.ledger.exchanges))
	}
	primary, copied := <-events, <-events
	if !primary.InID || primary.Mirrored || primary.Arm != traffic.Stable || primary.RequestID != "c-1" || primary.PredictionID != resp.Header.Get(HeaderPredictionID) {
		t.Errorf("told of the primary: %+v", primary)
	}
	if !copied.Mirrored || copied.Arm != traffic.Canary || copied.RequestID != "c-1" || !copied.HasScore || copied.Score != 0.2 {
		t.Errorf("told of the copy: %+v", copied)
	}
	if claims, err := r.codec.Decode(copied.PredictionID); err != nil || claims.Flags != predictionid.Mirrored || claims.Arm != uint8(traffic.Canary) {
		t.Errorf("the copy's ID says %+v, %v", claims, err)
	}
}

func TestMirroredAnswersCompared(t *testing.T) {
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	json := func(body string) http.Handler { return answer("application/json", body) }
	for _, c := range []struct {
		name                            string
		stable, canary                  http.Handler
		comparable, disagree, stableBad bool
		canaryBad                       bool
	}{
		{"same class", json(oip("0.9")), json(oip("0.8")), true, false, false, false},
		{"canary fails", json(oip("0.9")), status(500), false, false, false, true},
		{"stable fails", status(503), json(oip("0.9")), false, false, true, false},
		{"both fail", status(500), status(502), false, false, true, true},
		{"canary unreadable", json(oip("0.9")), json("<html>"), false, false, false, false},
		{"canary is gone", json(oip("0.9")), dropping("Content-Length: 9", "x"), false, false, false, true},
		{"more predictions", json(oip("0.9")), json(`{"outputs":[{"name":"p","shape":[2],"datatype":"FP64","data":[0.9,0.9]}]}`), true, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.stable, c.canary)
			r.split(t, mirrorAll)
			do(t, client(t), "POST", r.url(inferPath), "{}")
			r.ledger.await(t, "the pair", func() bool { return len(r.ledger.pairs) == 1 })
			p := r.ledger.pairs[0]
			if p.Comparable != c.comparable || p.Disagree != c.disagree || p.StableBad != c.stableBad || p.CanaryBad != c.canaryBad {
				t.Errorf("recorded %+v", p)
			}
		})
	}
}

func TestCompareNumbers(t *testing.T) {
	value := func(xs ...float64) (ps []inference.Prediction) {
		for _, x := range xs {
			ps = append(ps, inference.Prediction{Value: x, HasValue: true})
		}
		return ps
	}
	for _, c := range []struct {
		a, b               []inference.Prediction
		comparable, differ bool
	}{
		{value(1), value(1.005), true, false},
		{value(1), value(1.05), true, true},
		{value(1000), value(1005), true, false},
		{value(1000), value(1050), true, true},
		{value(0.001), value(0.009), true, false},
		{value(1, 2), value(1, 3), true, true},
		{value(1), nil, true, true},
		{nil, nil, false, false},
		{[]inference.Prediction{{}}, value(1), false, false},
		{[]inference.Prediction{{Confidence: 1, HasConfidence: true}}, []inference.Prediction{{Class: "a", HasClass: true}}, true, true},
	} {
		var p telemetry.Pair
		predictions(&p, c.a, c.b, &traffic.Compare{})
		if p.Comparable != c.comparable || p.Disagree != c.differ {
			t.Errorf("%v and %v: comparable %v, differ %v", c.a, c.b, p.Comparable, p.Disagree)
		}
	}
}

// The canary never answers, and the primary does not notice. What does not fit
// into the pool is dropped and counted.
func TestMirrorIsBoundedAndNobodyWaits(t *testing.T) {
	const slots, n = 3, 10
	arrived, finish := make(chan struct{}, n), make(chan struct{})
	r := start(t, answer("application/json", oip("0.9")), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-finish
	}), func(c *Config) { c.Limits.Mirrors = slots })
	r.split(t, mirrorAll)
	c := client(t)
	for range n {
		if resp, _ := do(t, c, "POST", r.url(inferPath), "{}"); resp.StatusCode != 200 {
			t.Fatalf("got %d", resp.StatusCode)
		}
	}
	for range slots {
		<-arrived
	}
	r.ledger.await(t, "the drops", func() bool { return r.ledger.dropped == n-slots })
	close(finish)
	r.ledger.await(t, "the pairs", func() bool { return len(r.ledger.pairs) == slots })
}

func TestMirrorLeavesOutWhatItDoesNotHold(t *testing.T) {
	for name, c := range map[string]struct {
		length  bool
		size    int
		dropped int
	}{
		"fits":           {true, 1000, 0},
		"too large":      {true, 2000, 1},
		"unknown length": {false, 2000, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, answer("application/json", oip("0.9")), answer("application/json", oip("0.9")),
				func(c *Config) { c.Limits.HeldBody = 1000 })
			r.split(t, mirrorAll)
			body := io.Reader(strings.NewReader(strings.Repeat("a", c.size)))
			if !c.length {
				body = io.MultiReader(body) // hides the length
			}
			req, err := http.NewRequestWithContext(t.Context(), "POST", r.url(inferPath), body)
			must(t, err)
			resp, err := client(t).Do(req)
			must(t, err)
			resp.Body.Close()
			r.ledger.await(t, "the end", func() bool { return len(r.ledger.pairs)+r.ledger.dropped == 1 })
			if r.ledger.dropped != c.dropped {
				t.Errorf("%d dropped, want %d", r.ledger.dropped, c.dropped)
			}
		})
	}
}

func TestMirrorShare(t *testing.T) {
	const n = 600
	r := start(t, echo, echo)
	r.split(t, traffic.Split{Generation: 1, Canary: traffic.Full / 4, Mirror: traffic.Full / 2})
	c := client(t)
	var wg sync.WaitGroup
	for range n {
		do(t, c, "GET", r.url("/"), "")
	}
	wg.Wait()
	want := 0
	stable := 0
	r.ledger.await(t, "all", func() bool { return len(r.ledger.assigned) == n })
	for _, a := range r.ledger.assigned {
		if a.Arm == traffic.Stable {
			stable++
		}
		if a.Mirror {
			want++
			if a.Arm != traffic.Stable {
				t.Error("a request of the canary was to be mirrored")
			}
		}
	}
	r.ledger.await(t, "the pairs", func() bool { return len(r.ledger.pairs)+r.ledger.dropped == want })
	// Half of three quarters of n; six standard deviations are 73.
	if want < stable/2-73 || want > stable/2+73 {
		t.Errorf("%d of %d stable requests mirrored at 50%%", want, stable)
	}
}

func TestMirrorOfNobodyIsDropped(t *testing.T) {
	r := start(t, echo, nil)
	r.split(t, mirrorAll)
	do(t, client(t), "POST", r.url(inferPath), "{}")
	r.ledger.await(t, "the drop", func() bool { return r.ledger.dropped == 1 })
}

func TestMirroredStreamsTellOfFailureOnly(t *testing.T) {
	events := func(s string) http.Handler { return answer("text/event-stream", s) }
	whole := chunk("a") + "data: [DONE]\n\n"
	r := start(t, events(whole), events(chunk("a")))
	r.split(t, mirrorAll)
	do(t, client(t), "POST", r.url(chatPath), `{"stream":true}`)
	r.ledger.await(t, "the pair", func() bool { return len(r.ledger.pairs) == 1 })
	if p := r.ledger.pairs[0]; p.Comparable || p.StableBad || !p.CanaryBad {
		t.Errorf("recorded %+v", p)
	}
}
