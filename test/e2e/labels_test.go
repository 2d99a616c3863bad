package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/examples/churn"
)

// ofLabels is the metric of what the customers did in the end. Half a minute would
// be short for a person's; here they are known after labelDelay.
const ofLabels = `    - {name: accuracy, outcome: {maxDecrease: 8pp, maturity: 5s}, tolerate: 25%}
`

// labelDelay is how long after a prediction its label is sent.
const labelDelay = time.Second

// labels sends back what the customers did, for each prediction that has an ID.
type labels struct {
	t      *testing.T
	client *http.Client
	url    string
	truth  map[string]string // by the body of the request

	mu       sync.Mutex
	waiting  []label
	statuses map[string]int
	last     error // why labels were not taken the last time that it was tried; nil if they were
}

// label is what is known of a prediction, and when that is told: a label, or an
// event's name.
type label struct {
	ID    string `json:"id"`
	Label string `json:"label,omitempty"`
	Name  string `json:"name,omitempty"`
	due   time.Time
}

// label wraps send so that labels follow the answers, to the same fleet, until the
// test ends. With events it is what the customers do who were told the truth.
func (s *space) label(send sender, events bool) (*labels, sender) {
	customers, err := churn.HeldOut()
	if err != nil {
		s.t.Fatal(err)
	}
	l := &labels{
		t: s.t, truth: map[string]string{}, statuses: map[string]int{},
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}},
		url:    "http://churn-gateway." + s.name + ".svc.cluster.local/feedback",
	}
	if events {
		l.url = strings.TrimSuffix(l.url, "feedback") + "events"
	}
	for _, c := range customers {
		l.truth[string(c.RequestBody())] = c.Label()
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(labelDelay / 2)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				l.tell()
			}
		}
	})
	s.t.Cleanup(func() { close(done); wg.Wait() })
	return l, func(asked request) (*http.Response, error) {
		r, err := send(asked)
		if err != nil {
			return r, err
		}
		x := label{ID: r.Header.Get("X-Haldane-Prediction-Id"), due: time.Now().Add(labelDelay)}
		if events {
			var said string
			if said, err = told(r); err == nil && said == l.truth[string(asked.body)] {
				x.Name = kept
			}
		} else {
			x.Label = l.truth[string(asked.body)]
		}
		if x.ID != "" && x.Label+x.Name != "" {
			l.mu.Lock()
			l.waiting = append(l.waiting, x)
			l.mu.Unlock()
		}
		return r, err
	}
}

// tell sends the labels that are due. Those that are not taken are sent again.
func (l *labels) tell() {
	l.mu.Lock()
	n := 0
	for now := time.Now(); n < len(l.waiting) && n < 500 && !l.waiting[n].due.After(now); n++ {
	}
	due := l.waiting[:n:n]
	l.mu.Unlock()
	if n == 0 {
		return
	}
	counts, err := l.post(due)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last = err; err != nil {
		return
	}
	l.waiting = l.waiting[n:]
	for status, k := range counts {
		l.statuses[status] += k
	}
}

func (l *labels) post(due []label) (map[string]int, error) {
	body, err := json.Marshal(due)
	if err != nil {
		return nil, err
	}
	r, err := l.client.Post(l.url, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var receipt struct{ Counts map[string]int }
	if err := json.Unmarshal(text, &receipt); err != nil || r.StatusCode != http.StatusAccepted {
		return nil, fmt.Errorf("%s: %.200s", r.Status, text)
	}
	return receipt.Counts, nil
}

// taken fails the test unless the fleet took most labels in time.
func (l *labels) taken() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	all := 0
	for _, k := range l.statuses {
		all += k
	}
	l.t.Logf("labels: %v, %d not sent yet", l.statuses, len(l.waiting))
	if 2*l.statuses["accepted"] <= all {
		l.t.Errorf("%d of %d labels were accepted (the last error: %v)", l.statuses["accepted"], all, l.last)
	}
}

// testWrong: a model that answers at once, never fails, says yes as often as
// stable, and is wrong: what the customers did tells.
func testWrong(s *stage) {
	at := s.release("wrong")
	end := s.watch.phase(at, "wrong", "RolledBack")
	for _, e := range end.status.Evidence {
		switch {
		case e.Name != "accuracy" && e.Decision == "Fail":
			s.t.Errorf("%s failed, too: nothing but accuracy is worse", e.Name)
		case e.Name == "accuracy" && (e.Decision != "Fail" || end.status.Reason != e.Reason):
			s.t.Errorf("it was taken back because %q; accuracy: %s, %q", end.status.Reason, e.Decision, e.Reason)
		}
	}
	if !strings.Contains(end.status.Reason, "wrong predictions") {
		s.t.Errorf("the reason is %q", end.status.Reason)
	}
	s.takenBack(at, "wrong")
	s.labels.taken()
	s.load.unharmed(s.begun)
	s.saw("wrong", at, end)
}

// testLabelled: a model that is right more often is promoted, once labels have
// told.
func testLabelled(s *stage) {
	at := s.release("good")
	end := s.watch.phase(at, "good", "Promoted")
	s.promoted(at, "good")
	passed := s.watch.await(at, "accuracy has passed", func(x v1alpha1.ModelRolloutStatus) bool {
		for _, e := range x.Evidence {
			if x.Canary.Version == "good" && e.Name == "accuracy" && e.Decision == "Pass" {
				return true
			}
		}
		return false
	})
	if passed.at.After(end.at) {
		s.t.Errorf("it was promoted at %s, and accuracy passed at %s", end.at.Format(time.TimeOnly), passed.at.Format(time.TimeOnly))
	}
	s.labels.taken()
	s.load.unharmed(s.begun)
	s.saw("good", at, end)
}

// saw tells how many requests a version answered before its rollout ended, and for
// how long.
func (s *stage) saw(version string, at time.Time, end seen) {
	n, all := 0, s.load.between(at, end.at)
	var first time.Time
	for _, a := range all {
		if a.version != version {
			continue
		}
		if n++; first.IsZero() || a.at.Before(first) {
			first = a.at
		}
	}
	s.t.Logf("%s answered %d of %d requests; from its first answer to the end %.1f s, from the new image %.1f s: %s",
		version, n, len(all), end.at.Sub(first).Seconds(), end.at.Sub(at).Seconds(), end.status.Reason)
}
