package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a candidate with 5% of a hundred requests a second has; one in a hundred
// fails on both arms. That is too little to tell anything from for a long time.
const (
	stableRate = 9.5
	canaryRate = 0.5
	failing    = 0.01
	// broken is the part of the candidate's requests that fails once it is bad.
	broken = 0.9
)

// server answers as Prometheus does, with the counters of many rollouts. They
// are functions of time: every request was scraped at a multiple of the scrape
// interval. It is safe for concurrent use.
type server struct {
	scrape time.Duration
	now    func() time.Time

	mu       sync.Mutex
	bad      map[string]time.Time // from when on a rollout's candidate fails
	answered map[string]time.Time // when the last question was that has shown it
}

func newServer(scrape time.Duration) *server {
	return &server{scrape: scrape, now: time.Now, bad: map[string]time.Time{}, answered: map[string]time.Time{}}
}

// spoil makes the candidate of a rollout fail from now on.
func (s *server) spoil(rollout string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad[rollout] = s.now()
}

// verdict returns when a rollout got the last answer with failures of a bad
// candidate in it.
func (s *server) verdict(rollout string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.answered[rollout]
	return at, ok
}

var (
	rangeOf   = regexp.MustCompile(`\[(\d+)ms\]`)
	rolloutOf = regexp.MustCompile(`rollout="([^"]+)"`)
)

// question is a query as this server reads it.
type question struct {
	rollout string
	series  string // total, bad or buckets
	newest  bool   // last_over_time
	end     time.Time
	over    time.Duration
}

func ask(query, at string) (question, error) {
	over, rollout := rangeOf.FindStringSubmatch(query), rolloutOf.FindStringSubmatch(query)
	seconds, err := strconv.ParseFloat(at, 64)
	if over == nil || rollout == nil || err != nil {
		return question{}, fmt.Errorf("cannot read %q at %q", query, at)
	}
	ms, err := strconv.ParseInt(over[1], 10, 64)
	q := question{
		rollout: rollout[1], series: "total", newest: strings.HasPrefix(query, "last_over_time("),
		end: time.UnixMilli(int64(math.Round(seconds * 1000))), over: time.Duration(ms) * time.Millisecond,
	}
	switch {
	case strings.Contains(query, "duration_seconds"):
		q.series = "buckets"
	case strings.Contains(query, `code=~"5.."`):
		q.series = "bad"
	}
	return q, err
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := ask(r.FormValue("query"), r.FormValue("time"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	bad, spoilt := s.bad[q.rollout]
	s.mu.Unlock()
	if !spoilt {
		bad = never
	}
	text := s.render(q, bad)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, text)
	if spoilt && q.end.Truncate(s.scrape).After(bad) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answered[q.rollout] = s.now()
	}
}

// never is later than everything measured.
var never = time.Unix(1<<40, 0)

// upper are the buckets of Traefik's histograms, in seconds, and what part of the
// requests took at most that.
var upper = []struct {
	le   string
	part float64
}{{"0.1", .6}, {"0.3", .9}, {"1.2", .99}, {"5", 1}, {"+Inf", 1}}

func (s *server) render(q question, bad time.Time) string {
	var series []string
	add := func(labels string, value func(time.Time) float64) {
		series = append(series, s.samples(q, labels, value))
	}
	for _, arm := range []string{"stable", "canary"} {
		labels := fmt.Sprintf(`"rollout":%q,"arm":%q`, q.rollout, arm)
		requests := func(at time.Time) float64 { return count(at, never, arm) }
		switch q.series {
		case "total":
			add(labels+`,"code":"200"`, requests)
		case "bad":
			add(labels+`,"code":"500"`, func(at time.Time) float64 { return failures(at, bad, arm) })
		case "buckets":
			for _, u := range upper {
				add(labels+`,"le":"`+u.le+`"`, func(at time.Time) float64 { return math.Floor(u.part * requests(at)) })
			}
		}
	}
	kind := "matrix"
	if q.newest {
		kind = "vector"
	}
	return `{"status":"success","data":{"resultType":"` + kind + `","result":[` + strings.Join(series, ",") + `]}}`
}

// samples writes one series: all samples of the range, or the newest.
func (s *server) samples(q question, labels string, value func(time.Time) float64) string {
	var out []string
	for at := q.end.Truncate(s.scrape); at.After(q.end.Add(-q.over)); at = at.Add(-s.scrape) {
		out = append([]string{fmt.Sprintf(`[%.3f,"%.0f"]`, float64(at.UnixMilli())/1000, value(at))}, out...)
	}
	if q.newest {
		return fmt.Sprintf(`{"metric":{%s},"value":%s}`, labels, out[len(out)-1])
	}
	return fmt.Sprintf(`{"metric":{%s},"values":[%s]}`, labels, strings.Join(out, ","))
}

// epoch is when every counter was 0.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// count is how many requests an arm has had by a time, of those until before.
func count(at, before time.Time, arm string) float64 {
	if before.Before(at) {
		at = before
	}
	rate := stableRate
	if arm == "canary" {
		rate = canaryRate
	}
	return math.Floor(rate * at.Sub(epoch).Seconds())
}

// failures is how many of them have failed, where the candidate is bad from a
// time on.
func failures(at, bad time.Time, arm string) float64 {
	all := count(at, never, arm)
	if arm == "stable" {
		return math.Floor(failing * all)
	}
	good := count(at, bad, arm)
	return math.Floor(failing*good) + math.Floor(broken*(all-good))
}
