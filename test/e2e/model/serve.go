package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/haldane-dev/haldane/examples/churn"
)

// model counts what a version of the churn model answers.
type model struct {
	version string
	infer   http.Handler

	metrics     *prometheus.Registry
	predictions *prometheus.CounterVec
	classes     *prometheus.CounterVec
	latency     prometheus.Histogram
}

func load(variant string) (*model, error) {
	m, err := churn.Load(variant)
	if err != nil {
		return nil, err
	}
	out := &model{
		version: m.Version(), infer: m.Handler(), metrics: prometheus.NewRegistry(),
		predictions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "model_predictions_total", Help: "Requests, by the model's version and how they ended."}, []string{"version", "status"}),
		classes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "model_predicted_classes_total", Help: "Predictions by class."}, []string{"class"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "model_prediction_latency_seconds", Help: "Time to answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1}}),
	}
	out.metrics.MustRegister(out.predictions, out.classes, out.latency)
	// A series that is there before the first request is counted from zero.
	for _, status := range []string{"success", "error"} {
		out.predictions.WithLabelValues(out.version, status)
	}
	for _, class := range []string{"yes", "no"} {
		out.classes.WithLabelValues(class)
	}
	return out, nil
}

// web is the model by HTTP, with /metrics.
func (m *model) web() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("POST /v2/models/churn/infer", func(w http.ResponseWriter, r *http.Request) {
		status, body := m.answer(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body) // the client may be gone; nobody is left to tell
	})
	mux.HandleFunc("POST /v1/chat/completions", m.chat)
	mux.Handle("/", m.infer)
	return mux
}

// answer lets the model answer, and counts.
func (m *model) answer(r *http.Request) (status int, body []byte) {
	began := time.Now()
	out := httptest.NewRecorder()
	m.infer.ServeHTTP(out, r)
	m.latency.Observe(time.Since(began).Seconds())
	ended := "success"
	if out.Code >= http.StatusInternalServerError {
		ended = "error"
	}
	m.predictions.WithLabelValues(m.version, ended).Inc()
	for _, class := range output(out.Body.Bytes(), "label") {
		m.classes.WithLabelValues(class).Inc()
	}
	return out.Code, out.Body.Bytes()
}

// output reads one output of an answer; there is none if the model failed.
func output(body []byte, name string) (out []string) {
	var said struct {
		Outputs []struct {
			Name string
			Data []json.RawMessage
		}
	}
	_ = json.Unmarshal(body, &said) // an error of the model has no outputs
	for _, o := range said.Outputs {
		for _, one := range o.Data {
			if o.Name == name {
				out = append(out, string(bytes.Trim(one, `"`)))
			}
		}
	}
	return out
}
