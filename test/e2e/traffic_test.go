package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/examples/churn"
	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// answer is what became of one request, as its sender saw it.
type answer struct {
	at      time.Time // when it was sent
	version string    // that answered
	err     error     // why there was no answer; nil for one that the model failed to give
	failed  bool      // the model itself answered that it failed
}

// load sends requests at an even rate until it is stopped.
type load struct {
	t    *testing.T
	send func(body []byte) (*http.Response, error)

	mu      sync.Mutex
	answers []answer
	stop    func()
}

// begin sends customers' requests by send, rate a second, until the test ends.
// workers bounds how many are under way.
func begin(t *testing.T, rate int, send func(body []byte) (*http.Response, error)) *load {
	t.Helper()
	customers, err := churn.HeldOut()
	if err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, send: send}
	done := make(chan struct{})
	due := make(chan int, 1)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range due {
				l.one(customers[i%len(customers)].RequestBody())
			}
		})
	}
	wg.Go(func() {
		defer close(due)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			select {
			case due <- i:
			case <-done:
				return
			}
		}
	})
	l.stop = sync.OnceFunc(func() { close(done); wg.Wait() })
	t.Cleanup(l.stop)
	return l
}

func (l *load) one(body []byte) {
	a := answer{at: time.Now()}
	a.version, a.failed, a.err = read(l.send(body))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, a)
}

// customer is the request of one.
func customer(t *testing.T) []byte {
	t.Helper()
	all, err := churn.HeldOut()
	if err != nil {
		t.Fatal(err)
	}
	return all[0].RequestBody()
}

// read tells the version that answered, from the body of the Open Inference
// Protocol. A model's own failure is an answer.
func read(r *http.Response, err error) (version string, failed bool, _ error) {
	if err != nil {
		return "", false, err
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return "", false, err
	}
	var out struct {
		Version string `json:"model_version"`
		Error   string `json:"error"`
	}
	_ = json.Unmarshal(body, &out)
	switch {
	case r.StatusCode == http.StatusOK && out.Version != "":
		return out.Version, false, nil
	case r.StatusCode == http.StatusInternalServerError && strings.HasPrefix(out.Error, "score customer"):
		return "errors", true, nil
	}
	return "", false, fmt.Errorf("%s: %.200s", r.Status, body)
}

// between returns what was sent in a span of time, and answered by now.
func (l *load) between(from, to time.Time) []answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []answer
	for _, a := range l.answers {
		if !a.at.Before(from) && !a.at.After(to) {
			out = append(out, a)
		}
	}
	return out
}

// count tells how many of the answers each version gave.
func count(all []answer) map[string]int {
	out := map[string]int{}
	for _, a := range all {
		if a.err == nil {
			out[a.version]++
		}
	}
	return out
}

// unharmed fails the test if any request since from got no answer.
func (l *load) unharmed(from time.Time) {
	l.t.Helper()
	bad := 0
	all := l.between(from, time.Now())
	for _, a := range all {
		if a.err == nil {
			continue
		}
		if bad++; bad <= 5 {
			l.t.Logf("request at %s: %v", a.at.Format("15:04:05.000"), a.err)
		}
	}
	if bad > 0 {
		l.t.Errorf("%d of %d requests failed", bad, len(all))
	}
	l.t.Logf("%d requests since %s: %v", len(all), from.Format("15:04:05"), count(all))
}

// answered waits until the requests are answered by a version.
func (l *load) answered(version string) {
	l.t.Helper()
	from := time.Now()
	eventually(l.t, "requests are answered by "+version, func() error {
		all := l.between(from, time.Now())
		if count(all)[version] > 0 {
			return nil
		}
		if len(all) == 0 {
			return fmt.Errorf("no request has ended")
		}
		return fmt.Errorf("%v, the last: %v", count(all), all[len(all)-1].err)
	})
}

// within fails unless a version's count lies within five standard deviations
// of what independent draws with that probability would give.
func within(t *testing.T, what string, n, total int, probability float64) {
	t.Helper()
	mean := float64(total) * probability
	most := 5*math.Sqrt(mean*(1-probability)) + 1e-9
	t.Logf("%s: %d of %d, expected %.1f ± %.1f", what, n, total, mean, most)
	if math.Abs(float64(n)-mean) > most {
		t.Errorf("%s: %d of %d, want %.1f ± %.1f", what, n, total, mean, most)
	}
}

// byTraefik sends to a host name at Traefik.
func byTraefik(c *clustertest.Cluster, host string) func([]byte) (*http.Response, error) {
	client := c.HTTP()
	client.Timeout = 15 * time.Second
	return func(body []byte) (*http.Response, error) {
		r, err := http.NewRequest(http.MethodPost, "http://"+clustertest.TraefikAddress+"/v2/models/churn/infer", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Host = host
		r.Header.Set("Content-Type", "application/json")
		return client.Do(r)
	}
}

// byService sends to a Service, each request by a connection of its own: it is
// connections that are spread over pods.
func byService(c *clustertest.Cluster, service string) func([]byte) (*http.Response, error) {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DialContext: c.DialContext, DisableKeepAlives: true}}
	return func(body []byte) (*http.Response, error) {
		return client.Post("http://"+service+".svc.cluster.local/v2/models/churn/infer", "application/json", bytes.NewReader(body))
	}
}

// eventually calls f every 50 ms until it returns nil, and ends the test with
// its last error if that takes longer than patience.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
