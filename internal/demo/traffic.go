package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/examples/churn"
)

const (
	workers    = 32
	pace       = 2500 * time.Microsecond // between requests: 400 a second
	labelEvery = 500 * time.Millisecond
	labelAfter = 1200 * time.Millisecond // between an answer and its label
	inferPath  = "/v2/models/churn/infer"
)

// counts is what the customers saw.
type counts struct {
	Requests int64            // answered or failed
	Failed   int64            // no answer, or a status of 400 and above
	Labels   int64            // taken by the feedback endpoint
	Versions map[string]int64 // answers by the version that gave them
}

// label is one item for the feedback endpoint.
type label struct {
	ID    string `json:"id"`
	Label string `json:"label"`

	due time.Time
}

// load asks for predictions at an even pace and later says what was true.
type load struct {
	base      string // address of the gateway
	client    *http.Client
	customers []churn.Customer

	mu     sync.Mutex
	counts counts
	queue  []label // in the order of the answers
}

// newLoad returns traffic for the gateway at base, over the customers in an
// order of their own.
func newLoad(base string) (*load, error) {
	customers, err := churn.HeldOut()
	if err != nil {
		return nil, fmt.Errorf("read the customers: %w", err)
	}
	rand.Shuffle(len(customers), func(i, j int) { customers[i], customers[j] = customers[j], customers[i] })
	return &load{
		base:      base,
		customers: customers,
		client: &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{MaxIdleConns: 2 * workers, MaxIdleConnsPerHost: 2 * workers},
		},
		counts: counts{Versions: map[string]int64{}},
	}, nil
}

// run sends until ctx ends and returns when everything it started has ended.
// When the workers are busy, requests are skipped and not piled up.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer l.client.CloseIdleConnections()
	defer wg.Wait()
	due := make(chan int)
	defer close(due)
	for range workers {
		wg.Go(func() {
			for n := range due {
				l.ask(ctx, n)
			}
		})
	}
	wg.Go(func() { l.sendLabels(ctx) })
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case <-ctx.Done():
			return
		case due <- n:
		}
	}
}

// ask sends request n and notes who answered.
func (l *load) ask(ctx context.Context, n int) {
	c := l.customers[n%len(l.customers)]
	c.ID = fmt.Sprintf("%s-%d", c.ID, n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base+inferPath, bytes.NewReader(c.RequestBody()))
	if err != nil {
		return // the base is an address that was listened on
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := l.client.Do(req)
	if ctx.Err() != nil {
		if err == nil {
			res.Body.Close()
		}
		return
	}
	if err != nil {
		l.note("", true, label{})
		return
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	failed := err != nil || res.StatusCode >= 400
	l.note(res.Header.Get("X-Haldane-Version"), failed, label{
		ID: res.Header.Get("X-Haldane-Prediction-Id"), Label: c.Label(), due: time.Now().Add(labelAfter),
	})
}

// note counts one request. An answer without a prediction gets no label.
func (l *load) note(version string, failed bool, truth label) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Requests++
	if failed {
		l.counts.Failed++
	}
	if version != "" {
		l.counts.Versions[version]++
	}
	if !failed && truth.ID != "" {
		l.queue = append(l.queue, truth)
	}
}

// sendLabels posts what has become true until ctx ends.
func (l *load) sendLabels(ctx context.Context) {
	tick := time.NewTicker(labelEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			l.post(ctx, l.take(now))
		}
	}
}

// take removes the labels that are due from the queue, at most a thousand.
func (l *load) take(now time.Time) []label {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < min(len(l.queue), 1000) && !l.queue[n].due.After(now) {
		n++
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	return batch
}

// post sends labels in one request. Those that cannot be sent are lost, which is
// what happens to labels.
func (l *load) post(ctx context.Context, batch []label) {
	if len(batch) == 0 {
		return
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base+"/feedback", bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := l.client.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode < 300 {
		l.mu.Lock()
		l.counts.Labels += int64(len(batch))
		l.mu.Unlock()
	}
}

// seen returns the counts so far.
func (l *load) seen() counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	c.Versions = map[string]int64{}
	for v, n := range l.counts.Versions {
		c.Versions[v] = n
	}
	return c
}
