package provider

import (
	"context"
	"fmt"
	"net/http"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/haldane-dev/haldane/internal/metric/prometheus"
	"github.com/haldane-dev/haldane/internal/reading"
)

// PrometheusConfig is a query in the language of Prometheus.
type PrometheusConfig struct {
	Address string
	Query   string // yields a scalar, or a vector of one series
	Token   Secret // bearer token; nil for none
	HTTP    *http.Client
}

type promQuery struct {
	client *prometheus.Client
	query  string
}

// Prometheus reads what a query yields.
func Prometheus(c PrometheusConfig) (reading.Past, error) {
	var token func(context.Context) (string, error)
	if c.Token != nil {
		token = c.Token.text
	}
	client, err := prometheus.NewClient(c.Address, c.HTTP.Transport, token)
	if err != nil {
		return nil, err
	}
	return &promQuery{client, c.Query}, nil
}

// Read implements reading.Reader.
func (p *promQuery) Read(ctx context.Context, of reading.Vars, at time.Time) (reading.Value, error) {
	query, err := reading.Fill(p.query, of, reading.Quoted)
	if err != nil {
		return reading.Value{}, err
	}
	v, err := p.client.Instant(ctx, query, at)
	if err != nil {
		return reading.Value{}, err
	}
	switch v := v.(type) {
	case *model.Scalar:
		return reading.Value{At: v.Timestamp.Time(), Number: float64(v.Value)}.Finite()
	case model.Vector:
		if len(v) == 1 && v[0].Histogram == nil {
			return reading.Value{At: v[0].Timestamp.Time(), Number: float64(v[0].Value)}.Finite()
		}
		return reading.Value{}, several(len(v))
	}
	return reading.Value{}, fmt.Errorf("prometheus answers with a %s: write a query that yields one number, such as max(…)", v.Type())
}

// several says what is wrong with a number of series that is not one.
func several(n int) error {
	switch n {
	case 0:
		return fmt.Errorf("%w: no series matches the query", reading.ErrNone)
	case 1:
		return fmt.Errorf("prometheus answers with a histogram: write a query that yields one number, such as histogram_count(…)")
	}
	return errMany("Prometheus", n)
}

// Past implements reading.Past.
func (p *promQuery) Past(ctx context.Context, of reading.Vars, s reading.Span) ([]reading.Value, error) {
	query, err := reading.Fill(p.query, of, reading.Quoted)
	if err != nil {
		return nil, err
	}
	v, err := p.client.Range(ctx, query, v1.Range{Start: s.Start, End: s.End, Step: s.Step})
	if err != nil {
		return nil, err
	}
	m, ok := v.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("prometheus answers with a %s: write a query that yields one number", v.Type())
	}
	// A series that changes its labels, as one of a pod that is replaced does, is
	// several. At one time there must be one.
	var out []reading.Value
	at := map[model.Time]bool{}
	for _, series := range m {
		for _, x := range series.Values {
			if at[x.Timestamp] {
				return nil, errMany("Prometheus", len(m))
			}
			at[x.Timestamp] = true
			if v, err := (reading.Value{At: x.Timestamp.Time(), Number: float64(x.Value)}).Finite(); err == nil {
				out = append(out, v)
			}
		}
	}
	sorted(out)
	return out, nil
}
