package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/metric/prometheus/prometheustest"
	"github.com/haldane-dev/haldane/internal/reading"
)

// TestARealPrometheus reads what a real server has scraped, now and as it was.
func TestARealPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var scrapes atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		scrapes.Add(1)
		fmt.Fprintf(w, "# TYPE queue gauge\nqueue{version=\"v1\"} 3\nqueue{version=\"v2\"} 7.5\n# TYPE odd gauge\nodd NaN\n")
	}))
	defer target.Close()
	server := prometheustest.Start(t, strings.TrimPrefix(target.URL, "http://"))
	prometheustest.Await(t, "scrapes", func() bool { return scrapes.Load() >= 6 })
	of := reading.Vars{Version: "v2"}
	read := func(query string) (reading.Value, error) {
		r, err := Prometheus(PrometheusConfig{Address: server.Address, Query: query, HTTP: through()})
		if err != nil {
			t.Fatal(err)
		}
		return r.Read(t.Context(), of, time.Now())
	}
	for query, want := range map[string]float64{`max(queue{version="{{version}}"})`: 7.5, `scalar(sum(queue))`: 10.5, `queue{version="v1"}`: 3} {
		if v, err := read(query); err != nil || v.Number != want {
			t.Errorf("%s: %+v, %v", query, v, err)
		}
	}
	for _, query := range []string{`queue{version="v3"}`, "odd", "scalar(queue)"} {
		if v, err := read(query); !errors.Is(err, reading.ErrNone) {
			t.Errorf("%s: %+v, %v", query, v, err)
		}
	}
	for query, want := range map[string]string{"queue": "2 series", "queue[1m]": "write a query that yields one number", "max(": "parse error"} {
		if v, err := read(query); err == nil || errors.Is(err, reading.ErrNone) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", query, v, err, want)
		}
	}
	p, err := Prometheus(PrometheusConfig{Address: server.Address, Query: `queue{version="{{version}}"}`, HTTP: through()})
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Truncate(time.Second)
	// Nothing was scraped an hour ago, and that is no error.
	got, err := p.Past(t.Context(), of, reading.Span{Start: end.Add(-time.Hour), End: end, Step: time.Second})
	if err != nil || len(got) == 0 || len(got) > 3000 {
		t.Fatalf("%d readings, %v", len(got), err)
	}
	for i, v := range got {
		if v.Number != 7.5 || i > 0 && !v.At.After(got[i-1].At) {
			t.Errorf("reading %d is %+v", i, v)
		}
	}
}
