// Command custom-expression is a model server whose answers follow no protocol,
// and its clients. It is asked POST /risk with {"customers": [{…}, {…}]} and
// answers with a tier and a risk in thousandths for each of them:
//
//	{"took": "0.1ms", "assessment": [{"tier": "low", "risk": {"permille": 172}}, …]}
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/haldane-dev/haldane/examples/internal/serving"
)

func main() {
	serving.Main(serving.Program{Variants: []string{"v1", "good", "drift", "errors"}, Serve: serve, Dial: dial})
}

func serve(ctx context.Context, variant string, l net.Listener) error {
	h, err := handler(variant)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return serving.HTTP(ctx, l, h)
}

type request struct {
	Customers []serving.Record `json:"customers"`
}

type assessment struct {
	Tier string `json:"tier"`
	Risk struct {
		Permille int `json:"permille"`
	} `json:"risk"`
}

// assess puts a probability into the words of this server.
func assess(p float64) (a assessment) {
	switch a.Risk.Permille = int(math.Round(1000 * p)); {
	case p < 0.2:
		a.Tier = "low"
	case p < 0.5:
		a.Tier = "medium"
	default:
		a.Tier = "high"
	}
	return a
}

func handler(variant string) (http.Handler, error) {
	m, err := serving.LoadScorer(variant)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /risk", func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		var in request
		if !serving.ReadJSON(w, r, &in) {
			return
		}
		out := make([]assessment, len(in.Customers))
		for i, c := range in.Customers {
			p, err := m.Score(c)
			if err != nil {
				serving.FailScore(w, fmt.Errorf("customer %d: %w", i, err))
				return
			}
			out[i] = assess(p)
		}
		serving.Reply(w, map[string]any{"took": time.Since(begun).String(), "assessment": out})
	})
	return mux, nil
}

func dial(base string) (serving.Ask, error) {
	customers, err := serving.Customers()
	c := serving.Client()
	return func(ctx context.Context, n int) (serving.Answer, error) {
		var q request
		for i := range 1 + n%3 {
			q.Customers = append(q.Customers, serving.NewRecord(customers[(3*n+i)%len(customers)]))
		}
		r, err := serving.NewPost(ctx, base+"/risk", q)
		if err != nil {
			return serving.Answer{}, err
		}
		a, _, err := serving.Do(c, r)
		return a, err
	}, err
}
