package prometheustest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Server is an http.Handler that answers /api/v1/query.
type Server struct {
	mu      sync.Mutex
	series  map[model.Fingerprint]*model.SampleStream
	asked   []string
	headers []http.Header
	failure func(w http.ResponseWriter) bool
}

// Scrape keeps what an exposition says at a time, each series with the labels of
// the process that was scraped. Series that have ended must be left out of it.
func (s *Server) Scrape(t testing.TB, at time.Time, process map[string]string, exposition string) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(exposition))
	if err != nil {
		t.Fatalf("read the exposition: %v", err)
	}
	samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{Timestamp: model.TimeFromUnixNano(at.UnixNano())}, slices.Collect(maps.Values(families))...)
	if err != nil {
		t.Fatalf("take the samples out of the exposition: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range samples {
		for k, v := range process {
			x.Metric[model.LabelName(k)] = model.LabelValue(v)
		}
		stream := s.stream(x.Metric)
		stream.Values = append(stream.Values, model.SamplePair{Timestamp: x.Timestamp, Value: x.Value})
	}
}

// Native keeps a sample of a native histogram.
func (s *Server) Native(at time.Time, labels model.Metric, h model.SampleHistogram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.stream(labels)
	x.Histograms = append(x.Histograms, model.SampleHistogramPair{Timestamp: model.TimeFromUnixNano(at.UnixNano()), Histogram: &h})
}

func (s *Server) stream(labels model.Metric) *model.SampleStream {
	if s.series == nil {
		s.series = map[model.Fingerprint]*model.SampleStream{}
	}
	id := labels.Fingerprint()
	if s.series[id] == nil {
		s.series[id] = &model.SampleStream{Metric: labels}
	}
	return s.series[id]
}

// Fail answers questions with f as long as it returns true; nil mends it.
func (s *Server) Fail(f func(w http.ResponseWriter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = f
}

// Asked returns every question so far.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Headers returns the header of every request so far.
func (s *Server) Headers() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.headers)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.FormValue("query")
	s.asked, s.headers = append(s.asked, query), append(s.headers, r.Header)
	if s.failure != nil && s.failure(w) {
		return
	}
	at, err := strconv.ParseFloat(r.FormValue("time"), 64)
	if err != nil || r.URL.Path != "/api/v1/query" {
		http.Error(w, "want a question", http.StatusNotFound)
		return
	}
	q, err := parse(query)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		reply(w, map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()})
		return
	}
	end := model.Time(math.Round(at * 1000))
	kind, result := "matrix", any(s.matrix(q, end))
	if q.newest {
		kind, result = "vector", s.vector(q, end)
	}
	reply(w, map[string]any{"status": "success", "data": map[string]any{"resultType": kind, "result": result}})
}

func reply(w http.ResponseWriter, body any) {
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(fmt.Sprintf("prometheustest: %v", err))
	}
}

// matrix finds samples after the beginning of the range, as servers since version
// 3 do, up to its end.
func (s *Server) matrix(q query, end model.Time) model.Matrix {
	out := model.Matrix{}
	begin := end.Add(-q.over)
	for _, x := range s.series {
		if !q.finds(x.Metric) {
			continue
		}
		found := &model.SampleStream{Metric: x.Metric}
		for _, p := range x.Values {
			if p.Timestamp > begin && p.Timestamp <= end {
				found.Values = append(found.Values, p)
			}
		}
		for _, p := range x.Histograms {
			if p.Timestamp > begin && p.Timestamp <= end {
				found.Histograms = append(found.Histograms, p)
			}
		}
		if len(found.Values)+len(found.Histograms) > 0 {
			out = append(out, found)
		}
	}
	return out
}

func (s *Server) vector(q query, end model.Time) model.Vector {
	out := model.Vector{}
	for _, x := range s.matrix(q, end) {
		if n := len(x.Histograms); n > 0 {
			out = append(out, &model.Sample{Metric: x.Metric, Timestamp: end, Histogram: x.Histograms[n-1].Histogram})
			continue
		}
		out = append(out, &model.Sample{Metric: x.Metric, Timestamp: end, Value: x.Values[len(x.Values)-1].Value})
	}
	return out
}
