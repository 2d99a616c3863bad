// Command mlflow sends requests in MLflow's scoring protocol, and later says
// what turned out to be true. The model is that of examples/churn, whose server
// answers POST /invocations with {"predictions": ["no"]}.
package main

import (
	"context"
	"net"

	"github.com/haldane-dev/haldane/examples/churn"
	"github.com/haldane-dev/haldane/examples/internal/serving"
)

func main() {
	serving.Main(serving.Program{Variants: []string{"v1", "good", "wrong", "slow", "errors"}, Serve: serve, Dial: dial})
}

func serve(ctx context.Context, variant string, l net.Listener) error {
	m, err := churn.Load(variant)
	if err != nil {
		return err
	}
	return serving.HTTP(ctx, l, m.Handler())
}

// dial returns clients that know, from the data, who did leave.
func dial(base string) (serving.Ask, error) {
	customers, err := serving.Customers()
	c := serving.Client()
	return func(ctx context.Context, n int) (serving.Answer, error) {
		customer := customers[n%len(customers)]
		r, err := serving.NewPost(ctx, base+"/invocations", map[string]any{
			"dataframe_records": []serving.Record{serving.NewRecord(customer)},
		})
		if err != nil {
			return serving.Answer{}, err
		}
		a, _, err := serving.Do(c, r)
		a.Truth = customer.Label()
		return a, err
	}, err
}
