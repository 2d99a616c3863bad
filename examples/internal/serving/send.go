package serving

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	workers    = 16
	maxRate    = 10_000
	reportEach = 5 * time.Second
	labelAfter = time.Second // between an answer and the news of what was true
	askAgain   = time.Second // while nobody answers yet, or the models are starting
	goneAfter  = 3 * workers // unanswered requests in a row after which a server that answered before is gone
)

// sender asks at an even pace. When all workers wait, requests are left out and
// not piled up.
type sender struct {
	ask  Ask
	base string
	rate float64
	out  io.Writer

	mu         sync.Mutex
	sent       int
	failed     int
	lastError  error
	versions   map[string]int
	unanswered int // in a row
	labels     []label
}

// label is what turned out to be true, in the words of the feedback endpoint.
type label struct {
	ID    string `json:"id"`
	Label string `json:"label"`

	due time.Time
}

// run asks until ctx ends or the server, having answered before, is gone. It
// begins in earnest once a request has succeeded.
func (s *sender) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	s.versions = map[string]int{}
	s.wait(ctx)
	var wg sync.WaitGroup
	due := make(chan int)
	for range workers {
		wg.Go(func() {
			for n := range due {
				a, err := s.ask(ctx, n)
				if ctx.Err() == nil && s.note(a, err, time.Now()) {
					stop()
				}
			}
		})
	}
	wg.Go(func() { s.tell(ctx) })
	tick := time.NewTicker(time.Duration(float64(time.Second) / s.rate))
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-ctx.Done():
		case <-tick.C:
			select {
			case <-ctx.Done():
			case due <- n:
			}
		}
	}
	close(due)
	stop()
	wg.Wait()
	s.report()
	return nil
}

// wait asks now and then until a request succeeds or ctx ends.
func (s *sender) wait(ctx context.Context) {
	for {
		_, err := s.ask(ctx, 0)
		if err == nil || ctx.Err() != nil {
			return
		}
		fmt.Fprintf(s.out, "waiting for %s: %v\n", s.base, err)
		select {
		case <-ctx.Done():
		case <-time.After(askAgain):
		}
	}
}

// note counts one request and returns true if nobody has answered for so long
// that nobody will.
func (s *sender) note(a Answer, err error, now time.Time) (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, ErrUnreachable) {
		s.unanswered++
		return s.sent > 0 && s.unanswered >= goneAfter
	}
	s.unanswered = 0
	s.sent++
	if a.Version != "" {
		s.versions[a.Version]++
	}
	if err != nil {
		s.failed++
		s.lastError = err
	} else if a.PredictionID != "" && a.Truth != "" {
		s.labels = append(s.labels, label{a.PredictionID, a.Truth, now.Add(labelAfter)})
	}
	return false
}

// tell sends labels as they become due, and reports, until ctx ends.
func (s *sender) tell(ctx context.Context) {
	report := time.NewTicker(reportEach)
	defer report.Stop()
	labels := time.NewTicker(labelAfter / 4)
	defer labels.Stop()
	client := Client()
	defer client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case <-report.C:
			s.report()
		case now := <-labels.C:
			s.post(ctx, client, s.due(now))
		}
	}
}

// due takes the labels that are due, the oldest first.
func (s *sender) due(now time.Time) []label {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.labels) && !s.labels[n].due.After(now) {
		n++
	}
	out := s.labels[:n:n]
	s.labels = s.labels[n:]
	return out
}

// post sends labels. Those that cannot be sent are lost, as labels are.
func (s *sender) post(ctx context.Context, c *http.Client, labels []label) {
	if len(labels) == 0 {
		return
	}
	r, err := NewPost(ctx, s.base+"/feedback", labels)
	if err == nil {
		_, _, err = Do(c, r)
	}
	if err != nil && !errors.Is(err, ErrUnreachable) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprintf(s.out, "%d labels were not taken: %v\n", len(labels), err)
	}
}

// report prints one line.
func (s *sender) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var by []string
	for _, v := range slices.Sorted(maps.Keys(s.versions)) {
		by = append(by, fmt.Sprintf("%d by %s", s.versions[v], v))
	}
	fmt.Fprintf(s.out, "%d answered, %d of them with an error; %s\n", s.sent, s.failed, strings.Join(by, ", "))
	if s.lastError != nil {
		fmt.Fprintf(s.out, "  the last error: %v\n", s.lastError)
	}
}
