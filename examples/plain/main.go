// Command plain is a model server that knows nothing of Haldane, and its
// clients. It is asked POST /score with a customer, a JSON object, and answers
// {"label": "no", "score": 0.83}: whether the customer leaves, and how sure it is.
package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/haldane-dev/haldane/examples/internal/serving"
)

func main() {
	serving.Main(serving.Program{Variants: []string{"v1", "good", "slow", "errors"}, Serve: serve, Dial: dial})
}

// wait is what the variant slow does before every answer.
const wait = 50 * time.Millisecond

func serve(ctx context.Context, variant string, l net.Listener) error {
	h, err := handler(variant)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return serving.HTTP(ctx, l, h)
}

func handler(variant string) (http.Handler, error) {
	m, err := serving.LoadScorer(variant)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /score", func(w http.ResponseWriter, r *http.Request) {
		var customer serving.Record
		if !serving.ReadJSON(w, r, &customer) {
			return
		}
		if variant == "slow" {
			time.Sleep(wait)
		}
		p, err := m.Score(customer)
		switch {
		case err != nil:
			serving.FailScore(w, err)
		case p < 0.5:
			serving.Reply(w, map[string]any{"label": "no", "score": 1 - p})
		default:
			serving.Reply(w, map[string]any{"label": "yes", "score": p})
		}
	})
	return mux, nil
}

func dial(base string) (serving.Ask, error) {
	customers, err := serving.Customers()
	c := serving.Client()
	return func(ctx context.Context, n int) (serving.Answer, error) {
		r, err := serving.NewPost(ctx, base+"/score", serving.NewRecord(customers[n%len(customers)]))
		if err != nil {
			return serving.Answer{}, err
		}
		a, _, err := serving.Do(c, r)
		return a, err
	}, err
}
