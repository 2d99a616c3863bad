package exporter

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// emitter sends metrics of one scrape. A metric that cannot be made is sent as
// an invalid one: the scrape then fails and says why.
type emitter struct {
	ch      chan<- prometheus.Metric
	descs   map[string]*prometheus.Desc
	rollout string
}

func (e emitter) send(name string, m prometheus.Metric, err error) {
	if err != nil {
		m = prometheus.NewInvalidMetric(e.descs[name], err)
	}
	e.ch <- m
}

func (e emitter) labels(values []string) []string {
	return append([]string{e.rollout}, values...)
}

func (e emitter) count(name string, n int64, labels ...string) {
	e.float(name, float64(n), labels...)
}

// results sends requests by number of their group, the answered ones apart from
// those that failed.
func (e emitter) results(name string, all, failed []int64, labels ...string) {
	for i, n := range all {
		of := append(slices.Clone(labels), strconv.Itoa(i))
		e.count(name, n-failed[i], append(of, "answered")...)
		e.count(name, failed[i], append(of, "failed")...)
	}
}

func (e emitter) float(name string, x float64, labels ...string) {
	m, err := prometheus.NewConstMetric(e.descs[name], prometheus.CounterValue, x, e.labels(labels)...)
	e.send(name, m, err)
}

func (e emitter) gauge(name string, x float64, labels ...string) {
	m, err := prometheus.NewConstMetric(e.descs[name], prometheus.GaugeValue, x, e.labels(labels)...)
	e.send(name, m, err)
}

func (e emitter) summary(name string, n int64, sum float64, labels ...string) {
	m, err := prometheus.NewConstSummary(e.descs[name], uint64(max(n, 0)), sum, nil, e.labels(labels)...)
	e.send(name, m, err)
}

// histogram sends counts between edges, every perEdge-th of which is a bucket's
// upper bound if there are many. counts holds one more than there are edges.
func (e emitter) histogram(name string, sum float64, edges []float64, counts []int64, labels ...string) {
	every := 1
	if len(edges) > 2*64 {
		every = perEdge
	}
	buckets := make(map[float64]uint64, len(edges)/every+1)
	var total uint64
	for i, n := range counts {
		total += uint64(n)
		if i < len(edges) && i%every == 0 {
			buckets[edges[i]] = total
		}
	}
	m, err := prometheus.NewConstHistogram(e.descs[name], total, sum, buckets, e.labels(labels)...)
	e.send(name, m, err)
}
