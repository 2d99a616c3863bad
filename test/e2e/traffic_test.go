package e2e

import (
	"bytes"
	"cmp"
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
	user    string    // who asked
	version string    // that answered
	err     error     // why there was no answer; nil for one that the model failed to give
	failed  bool      // the model itself answered that it failed
}

// request is what a client asks the model, and for whom.
type request struct {
	path, user string
	body       []byte
}

// users is how many there are; each asks about customers of their own.
const users = 400

// userOf is the user who asks about a customer.
func userOf(c churn.Customer) string { return fmt.Sprintf("user-%d", c.Row%users) }

// inference asks by the Open Inference Protocol.
func inference(c churn.Customer) request {
	return request{"/v2/models/churn/infer", userOf(c), c.RequestBody()}
}

// chat asks what to write to a customer, by OpenAI's protocol.
func chat(c churn.Customer) request {
	body, err := json.Marshal(map[string]any{
		"model": "churn", "messages": []map[string]string{{"role": "user", "content": string(c.RequestBody())}},
	})
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return request{"/v1/chat/completions", userOf(c), body}
}

// by sends the request to an address, with another Host if there is one.
func (r request) by(client *http.Client, address, host string) (*http.Response, error) {
	out, err := http.NewRequest(http.MethodPost, "http://"+address+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	out.Host = cmp.Or(host, out.Host)
	out.Header.Set("Content-Type", "application/json")
	out.Header.Set("X-User-ID", r.user)
	return client.Do(out)
}

// sender sends a request and returns the answer.
type sender func(request) (*http.Response, error)

// load sends requests at an even rate until it is stopped.
type load struct {
	t    *testing.T
	send sender

	mu      sync.Mutex
	answers []answer
	stop    func()
}

// begin asks about customers by send, rate times a second, until the test ends.
func begin(t *testing.T, rate int, send sender, ask func(churn.Customer) request) *load {
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
				l.one(ask(customers[i%len(customers)]))
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

func (l *load) one(r request) {
	a := answer{at: time.Now(), user: r.user}
	a.version, a.failed, a.err = read(l.send(r))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, a)
}

// customer is one of them.
func customer(t *testing.T) churn.Customer {
	t.Helper()
	all, err := churn.HeldOut()
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// read tells the version that answered, from the body of the Open Inference
// Protocol or of OpenAI's. A model's own failure is an answer.
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
		Model   string `json:"model"`
		Error   string `json:"error"`
	}
	_ = json.Unmarshal(body, &out)
	version = cmp.Or(out.Version, out.Model)
	switch {
	case r.StatusCode == http.StatusOK && version != "":
		return version, false, nil
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
	l.unharmedBut(from, from, from)
}

// unharmedBut is unharmed, but for a time in which most requests are answered.
func (l *load) unharmedBut(from, away, back time.Time) {
	l.t.Helper()
	bad, excused := 0, 0
	all := l.between(from, time.Now())
	for _, a := range all {
		if a.err == nil {
			continue
		}
		if a.at.After(away) && a.at.Before(back) {
			excused++
			continue
		}
		if bad++; bad <= 5 {
			l.t.Logf("request at %s: %v", a.at.Format("15:04:05.000"), a.err)
		}
	}
	if bad > 0 {
		l.t.Errorf("%d of %d requests failed", bad, len(all))
	}
	if n := len(l.between(away, back)); 2*excused > n {
		l.t.Errorf("%d of %d requests failed in the %s that they were allowed to", excused, n, back.Sub(away))
	} else if excused > 0 {
		l.t.Logf("%d of %d requests failed in %s", excused, n, back.Sub(away))
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
func byTraefik(c *clustertest.Cluster, host string) sender {
	client := c.HTTP()
	client.Timeout = 15 * time.Second
	return func(r request) (*http.Response, error) { return r.by(client, clustertest.TraefikAddress, host) }
}

// byService sends to a Service, each request by a connection of its own: it is
// connections that are spread over pods.
func byService(c *clustertest.Cluster, service string) sender {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DialContext: c.DialContext, DisableKeepAlives: true}}
	return func(r request) (*http.Response, error) { return r.by(client, service+".svc.cluster.local", "") }
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
