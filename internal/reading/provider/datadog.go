package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/reading"
)

// DatadogConfig is a query of Datadog's metrics.
type DatadogConfig struct {
	Address string // of the API: https://api.datadoghq.com, https://api.datadoghq.eu, …
	Query   string // as the Metrics Explorer shows it; yields one series
	APIKey  Secret
	AppKey  Secret
	Window  time.Duration // how old the newest number may be
	HTTP    *http.Client
}

type datadog struct{ DatadogConfig }

// Datadog reads the newest point of a query, by the endpoint for queries of
// timeseries points, GET /api/v1/query.
func Datadog(c DatadogConfig) (reading.Past, error) { return datadog{c}, nil }

// Read implements reading.Reader.
func (d datadog) Read(ctx context.Context, of reading.Vars, at time.Time) (reading.Value, error) {
	points, err := d.points(ctx, of, at.Add(-d.Window), at)
	if err != nil {
		return reading.Value{}, err
	}
	return reading.Newest(points, at)
}

// Past implements reading.Past.
func (d datadog) Past(ctx context.Context, of reading.Vars, s reading.Span) ([]reading.Value, error) {
	points, err := d.points(ctx, of, s.Start.Add(-s.Step), s.End)
	return reading.Resample(points, s), err
}

// points are those of a stretch of time.
func (d datadog) points(ctx context.Context, of reading.Vars, from, to time.Time) ([]reading.Value, error) {
	query, err := reading.Fill(d.Query, of, nil)
	if err != nil {
		return nil, err
	}
	ask := url.Values{"query": {query}, "from": {strconv.FormatInt(from.Unix(), 10)}, "to": {strconv.FormatInt(to.Unix(), 10)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(d.Address, "/")+"/api/v1/query?"+ask.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask Datadog: %w", bare(err))
	}
	for name, secret := range map[string]Secret{"DD-API-KEY": d.APIKey, "DD-APPLICATION-KEY": d.AppKey} {
		value, err := secret.text(ctx)
		if err != nil {
			return nil, err
		}
		r.Header.Set(name, value)
	}
	r.Header.Set("User-Agent", "haldane")
	text, err := fetch(d.HTTP, r)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string
		Error  string
		Series []struct {
			Pointlist [][2]*float64 // milliseconds and value, null for none
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%s answers with what is no series: %w", r.URL.Host, err)
	}
	switch {
	case answer.Status == "error" || answer.Error != "":
		return nil, fmt.Errorf("datadog refuses the query: %s", line(answer.Error))
	case len(answer.Series) > 1:
		return nil, errMany("Datadog", len(answer.Series))
	case len(answer.Series) == 0:
		return nil, nil
	}
	var out []reading.Value
	for _, p := range answer.Series[0].Pointlist {
		if p[0] != nil && p[1] != nil {
			out = append(out, reading.Value{At: time.UnixMilli(int64(*p[0])), Number: *p[1]})
		}
	}
	sorted(out)
	return out, nil
}
