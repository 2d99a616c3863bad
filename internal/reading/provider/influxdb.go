package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	influx "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/log"

	"github.com/haldane-dev/haldane/internal/reading"
)

// InfluxConfig is a query in Flux.
type InfluxConfig struct {
	Address string
	Org     string
	// Query yields one table of numbers, with {{start}} and {{stop}} as the ends of
	// its range if what was is to be known too.
	Query  string
	Token  Secret
	Window time.Duration // how far back {{start}} is when the newest number is asked for
	HTTP   *http.Client
}

type influxDB struct{ InfluxConfig }

// quiet keeps the client from writing to the standard error.
var quiet = sync.OnceFunc(func() { log.Log = nil })

// InfluxDB reads the last row of a query. It is a reading.Past if the query says
// where its range begins and ends.
func InfluxDB(c InfluxConfig) (reading.Reader, error) {
	quiet()
	names := reading.Names(c.Query)
	if !slices.Contains(names, "start") || !slices.Contains(names, "stop") {
		return struct{ reading.Reader }{influxDB{c}}, nil
	}
	return influxDB{c}, nil
}

// Read implements reading.Reader.
func (d influxDB) Read(ctx context.Context, of reading.Vars, at time.Time) (reading.Value, error) {
	points, err := d.rows(ctx, of, reading.Span{Start: at.Add(-d.Window), End: at, Step: d.Window})
	if err != nil {
		return reading.Value{}, err
	}
	return reading.Newest(points, at)
}

// Past implements reading.Past.
func (d influxDB) Past(ctx context.Context, of reading.Vars, s reading.Span) ([]reading.Value, error) {
	points, err := d.rows(ctx, of, reading.Span{Start: s.Start.Add(-s.Step), End: s.End, Step: s.Step})
	return reading.Resample(points, s), err
}

// rows are those of the one table of the answer; one without a time is of the end.
func (d influxDB) rows(ctx context.Context, of reading.Vars, s reading.Span) ([]reading.Value, error) {
	query, err := reading.FillTimes(d.Query, of, s, reading.Quoted)
	if err != nil {
		return nil, err
	}
	token, err := d.Token.text(ctx)
	if err != nil {
		return nil, err
	}
	through := *d.HTTP
	through.Transport = tables{through.Transport}
	client := influx.NewClientWithOptions(d.Address, token, influx.DefaultOptions().SetHTTPClient(&through).SetLogLevel(0))
	defer client.Close()
	answer, err := client.QueryAPI(d.Org).Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", host(d.Address), bare(err))
	}
	defer answer.Close()
	var out []reading.Value
	seen := map[string]bool{}
	for answer.Next() {
		r := answer.Record()
		seen[r.Result()+"/"+strconv.Itoa(r.Table())] = true
		if len(seen) > 1 {
			return nil, errors.New("InfluxDB answers with several tables: write a query that yields one, such as … |> group()")
		}
		v, err := cell(r.Value())
		if err != nil {
			return nil, fmt.Errorf("the answer of %s: %w", host(d.Address), err)
		}
		at, ok := r.ValueByKey("_time").(time.Time)
		if !ok {
			at = s.End
		}
		if v != nil {
			out = append(out, reading.Value{At: at, Number: *v})
		}
	}
	if err := answer.Err(); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", host(d.Address), bare(err))
	}
	sorted(out)
	return out, nil
}

// tables lets answers pass that are tables: the client takes any other text for
// one without rows.
type tables struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t tables) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode < 300 && media != "text/csv" {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("it answers with %s, and not with a table", cmp.Or(media, "something unnamed"))
	}
	return resp, nil
}

// cell is a value as a number, nil for none.
func cell(v any) (*float64, error) {
	var x float64
	switch v := v.(type) {
	case nil:
		return nil, nil
	case float64:
		x = v
	case int64:
		x = float64(v)
	case uint64:
		x = float64(v)
	default:
		return nil, fmt.Errorf("its column _value holds a %T, which is no number", v)
	}
	return &x, nil
}
