// Command kserve-v1 is a model server in the protocol of KServe v1, which is
// that of TensorFlow Serving, and its clients:
//
//	POST /v1/models/churn:predict {"instances": [{…}, {…}]}  → {"predictions": [0.17, 0.62]}
//	POST /v1/models/churn:predict {"inputs": {"tenure": […]}} → {"outputs": [0.17, 0.62]}
//
// A prediction is the probability that a customer leaves. A request holds from
// one to four customers.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

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

// request holds customers by row or by column.
type request struct {
	Instances []serving.Record `json:"instances,omitempty"`
	Inputs    map[string][]any `json:"inputs,omitempty"`
}

func handler(variant string) (http.Handler, error) {
	m, err := serving.LoadScorer(variant)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models/churn", func(w http.ResponseWriter, _ *http.Request) {
		serving.Reply(w, map[string]any{"name": "churn", "ready": true})
	})
	mux.HandleFunc("POST /v1/models/churn:predict", func(w http.ResponseWriter, r *http.Request) {
		var in request
		if !serving.ReadJSON(w, r, &in) {
			return
		}
		rows, err := in.rows()
		if err != nil {
			serving.Fail(w, http.StatusBadRequest, err)
			return
		}
		scores := make([]float64, len(rows))
		for i, row := range rows {
			if scores[i], err = m.Score(row); err != nil {
				serving.FailScore(w, fmt.Errorf("instance %d: %w", i, err))
				return
			}
		}
		if in.Inputs != nil {
			serving.Reply(w, map[string]any{"outputs": scores})
			return
		}
		serving.Reply(w, map[string]any{"predictions": scores})
	})
	return mux, nil
}

// rows are the customers of a request. Columns must be of one length; an
// unknown number is null.
func (r request) rows() ([]serving.Record, error) {
	if len(r.Instances) == 0 == (len(r.Inputs) == 0) {
		return nil, errors.New("send either instances or inputs")
	}
	rows := r.Instances
	for name, values := range r.Inputs {
		if rows == nil {
			rows = make([]serving.Record, len(values))
			for i := range rows {
				rows[i] = serving.Record{}
			}
		}
		if len(values) != len(rows) {
			return nil, fmt.Errorf("input %s has %d values, another has %d", name, len(values), len(rows))
		}
		for i, v := range values {
			rows[i][name] = v
		}
	}
	return rows, nil
}

// columns turns rows into columns.
func columns(rows []serving.Record) map[string][]any {
	out := map[string][]any{}
	for i, row := range rows {
		for name, v := range row {
			if out[name] == nil {
				out[name] = make([]any, len(rows))
			}
			out[name][i] = v
		}
	}
	return out
}

func dial(base string) (serving.Ask, error) {
	customers, err := serving.Customers()
	c := serving.Client()
	return func(ctx context.Context, n int) (serving.Answer, error) {
		var q request
		for i := range 1 + n%4 {
			q.Instances = append(q.Instances, serving.NewRecord(customers[(4*n+i)%len(customers)]))
		}
		if n/4%2 == 1 {
			q.Instances, q.Inputs = nil, columns(q.Instances)
		}
		r, err := serving.NewPost(ctx, base+"/v1/models/churn:predict", q)
		if err != nil {
			return serving.Answer{}, err
		}
		a, _, err := serving.Do(c, r)
		return a, err
	}, err
}
