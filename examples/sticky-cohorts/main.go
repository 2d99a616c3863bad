// Command sticky-cohorts sends the requests of users who are to be told apart:
// each has an ID, some come from another country, some carry a cookie. The
// model is that of examples/churn, over the Open Inference Protocol.
//
// The clients stand for what is in front of a gateway in production: they set
// the header with the country, as a trusted proxy would.
package main

import (
	"bytes"
	"context"
	"net"
	"net/http"

	"github.com/haldane-dev/haldane/examples/churn"
	"github.com/haldane-dev/haldane/examples/internal/serving"
)

func main() {
	serving.Main(serving.Program{Variants: []string{"v1", "good", "drift", "errors"}, Serve: serve, Dial: dial})
}

func serve(ctx context.Context, variant string, l net.Listener) error {
	m, err := churn.Load(variant)
	if err != nil {
		return err
	}
	return serving.HTTP(ctx, l, m.Handler())
}

// mark says who user number n is: of a hundred, two try everything new, two are
// in the Netherlands, and two may not be part of any experiment.
func mark(h http.Header, n int) {
	h.Set("X-Country", "DE")
	switch n % 100 {
	case 0, 1:
		h.Set("Cookie", "canary=always")
	case 2, 3:
		h.Set("X-Country", "NL")
	case 4, 5:
		h.Set("X-No-Experiments", "1")
	}
}

func dial(base string) (serving.Ask, error) {
	customers, err := serving.Customers()
	c := serving.Client()
	return func(ctx context.Context, n int) (serving.Answer, error) {
		user := customers[n%len(customers)]
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v2/models/churn/infer", bytes.NewReader(user.RequestBody()))
		if err != nil {
			return serving.Answer{}, err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-User-ID", user.ID)
		mark(r.Header, user.Row)
		a, _, err := serving.Do(c, r)
		return a, err
	}, err
}
