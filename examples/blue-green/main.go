// Command blue-green is a model server and its clients, for a rollout that shows
// the candidate on an address of its own before all users get it at once. The
// model is that of examples/churn, over the Open Inference Protocol.
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

func dial(base string) (serving.Ask, error) {
	customers, err := serving.Customers()
	c := serving.Client()
	return func(ctx context.Context, n int) (serving.Answer, error) {
		body := customers[n%len(customers)].RequestBody()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v2/models/churn/infer", bytes.NewReader(body))
		if err != nil {
			return serving.Answer{}, err
		}
		r.Header.Set("Content-Type", "application/json")
		a, _, err := serving.Do(c, r)
		return a, err
	}, err
}
