package experiment

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
)

// The table of the documentation is measured with -args -users.runs 300.
var usersRuns = flag.Int("users.runs", 0, "runs of each experiment among users who stay; 0: as many as an ordinary test takes")

// crowd is users who stay on their arm.
type crowd struct {
	c      Config
	rng    *rand.Rand
	rate   []float64 // of a right answer, by user, wherever they are
	upTo   []float64 // activity of users up to this one, out of that of all
	group  []int
	effect float64 // what the last arm adds to it
	blind  bool    // groups are not told
	n      int     // requests of one block
	block  int64
}

// newCrowd draws users whose rates follow Beta(4, 6), with activity that is uneven
// in lognormal proportion.
func newCrowd(c Config, users int, uneven float64, seed uint64) *crowd {
	w := &crowd{c: c, rng: rand.New(rand.NewPCG(seed, 29)), n: 100}
	total := 0.
	for range users {
		w.rate = append(w.rate, beta(w.rng, posterior{4, 6}))
		w.group = append(w.group, w.rng.IntN(100))
		total += math.Exp(uneven * w.rng.NormFloat64())
		w.upTo = append(w.upTo, total)
	}
	for i := range w.upTo {
		w.upTo[i] /= total
	}
	return w
}

func (w *crowd) sample(s State) analysis.Sample {
	w.block++
	slots := s.Slots
	if slots == "" {
		slots = w.c.Slots()
	}
	counts := make([]analysis.Counts, len(w.c.Arms))
	for i := range counts {
		counts[i].Groups = make([]analysis.Group, 100)
	}
	for range w.n {
		user := sort.SearchFloat64s(w.upTo, w.rng.Float64())
		arm, p := int(slots[w.group[user]]-'0'), w.rate[user]
		if arm == len(counts)-1 {
			p += w.effect
		}
		x, g := &counts[arm], &counts[arm].Groups[w.group[user]]
		x.N, g.N = x.N+1, g.N+1
		if w.rng.Float64() >= p {
			x.K, g.K = x.K+1, g.K+1
		}
	}
	for i := range counts {
		if w.blind {
			counts[i].Groups = nil
		}
	}
	at := func(block int64) time.Time { return began.Add(time.Duration(block) * 15 * time.Second) }
	return analysis.Sample{
		Block: w.block, Start: at(w.block - 1), End: at(w.block),
		Metrics:  map[string]analysis.Measure{GoalMetric: {Stable: counts[0], Canary: counts[1]}},
		Variants: variants(counts[2:]),
	}
}

// run goes on until an arm wins or so many blocks have passed.
func (w *crowd) run(blocks int) (State, Finding) {
	s := Begin(w.c)
	for i := range s.Arms {
		s.Arms[i].Safe = w.c.Thompson
	}
	var f Finding
	for range blocks {
		s = Step(w.c, analysis.Config{}, s, w.sample(s), analysis.Verdict{})
		if f = Judge(w.c, s, time.Hour); f.Ending == Winner {
			break
		}
	}
	return s, f
}

// forever is an experiment that only a winner ends.
func forever(thompson bool) Config {
	c := three()
	c.Goal.MinEffect, c.MaxDuration = 0, 0
	if thompson {
		c.Thompson, c.Floor, c.Every = true, .1, 2*time.Minute
	}
	return c
}

// TestUsersWhoStay: equal arms among users who differ lastingly. Requests taken
// one by one name a winner far too often where users are few; by group of users
// they do not.
func TestUsersWhoStay(t *testing.T) {
	for _, tt := range []struct {
		name     string
		users    int
		uneven   float64
		thompson bool
		always   bool // measured by an ordinary test
	}{
		{name: "30 users", users: 30},
		{name: "100 users", users: 100, always: true},
		{name: "100 users, uneven", users: 100, uneven: 1, always: true},
		{name: "100 users, Thompson", users: 100, thompson: true},
		{name: "1,000 users", users: 1000},
		{name: "1,000 users, Thompson", users: 1000, thompson: true},
		{name: "10,000 users", users: 10_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := runs(t, 45)
			if *usersRuns > 0 {
				n = *usersRuns
			} else if !tt.always {
				n = runs(t, 6)
			}
			won := map[bool]int{}
			for _, blind := range []bool{true, false} {
				for run := range n {
					w := newCrowd(forever(tt.thompson), tt.users, tt.uneven, uint64(run))
					w.blind = blind
					if _, f := w.run(200); f.Ending == Winner {
						won[blind]++
					}
				}
			}
			t.Logf("%s: of %d runs %d have a winner by requests, %d by groups of users", tt.name, n, won[true], won[false])
			if low := stats.Wilson(stats.Count{N: float64(n), K: float64(won[false])}, stats.Z95).Low; low > .05 {
				t.Errorf("%d of %d runs of equal arms have a winner", won[false], n)
			}
			if tt.always && won[true] < n/10 {
				t.Errorf("by requests only %d of %d have a winner: users differ too little to show anything", won[true], n)
			}
		})
	}
}

// TestUsersWhoStayDecide: what it takes longer where users stay.
func TestUsersWhoStayDecide(t *testing.T) {
	for _, tt := range []struct {
		name   string
		users  int
		effect float64
		blocks int
		always bool
	}{
		{"10 points, 1,000 users", 1000, .1, 400, true},
		{"10 points, 10,000 users", 10_000, .1, 400, false},
		{"5 points, 10,000 users", 10_000, .05, 1000, false},
		{"20 points, 100 users", 100, .2, 1000, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := *usersRuns / 3
			if n == 0 {
				if !tt.always {
					t.Skip("measured with -users.runs alone")
				}
				n = runs(t, 9)
			}
			for _, blind := range []bool{true, false} {
				won, requests := 0, 0.
				for run := range n {
					w := newCrowd(forever(false), tt.users, 0, uint64(run))
					w.effect, w.blind = tt.effect, blind
					if _, f := w.run(tt.blocks); f.Ending == Winner && f.Arm == 2 {
						won++
						requests += float64(w.block) * float64(w.n)
					}
				}
				t.Logf("%s, blind %v: %d of %d won, after %.0f requests on average", tt.name, blind, won, n, requests/math.Max(1, float64(won)))
				if tt.always && won < n*8/10 {
					t.Errorf("blind %v: the better arm won %d of %d runs", blind, won, n)
				}
			}
		})
	}
}

// TestTooFewUsersHold: nothing is decided by a handful of people, whatever they
// say, and it says why.
func TestTooFewUsersHold(t *testing.T) {
	w := newCrowd(forever(false), 8, 0, 1)
	w.effect = .5
	s, f := w.run(50)
	if f.Ending != "" || !strings.Contains(f.Reason, "are too few to tell the arms from who is on them") {
		t.Errorf("%+v", f)
	}
	c := w.c
	c.MaxDuration = time.Minute
	if f := Judge(c, s, time.Hour); f.Ending != OutTime || !strings.Contains(f.Reason, "too few") {
		t.Errorf("%+v", f)
	}
	if x := Interval(c, s, 0, 1); x.Low != -1 || x.High != 1 {
		t.Errorf("%+v", x)
	}
	if v := Show(c, s, time.Hour); v.Pairs[0].Users != nil {
		t.Errorf("it says that who users are comes to %v", *v.Pairs[0].Users)
	}
	early := newCrowd(forever(false), 100, 0, 1)
	if _, f := early.run(1); !strings.Contains(f.Reason, "is not known yet") {
		t.Errorf("%+v", f)
	}
}

// TestGroupsAreKept: once, sparsely, through JSON, and whatever they are of.
func TestGroupsAreKept(t *testing.T) {
	w := newCrowd(forever(false), 50, 0, 1)
	s, _ := w.run(30)
	groups := 0
	for i, a := range s.Arms {
		n, hits := 0., 0.
		for _, g := range a.Users.Groups {
			n, hits = n+g.N, hits+g.Sum
		}
		groups += len(a.Users.Groups)
		if n != a.Total.N || hits != a.Total.Sum || a.Users.SumSq != hits {
			t.Errorf("arm %d: groups hold %v of %v values", i, n, a.Total.N)
		}
	}
	if groups > 50 {
		t.Errorf("%d groups of 50 users", groups)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, back); d != "" {
		t.Errorf("through JSON:\n%s", d)
	}
	before := w.sample(s)
	Step(w.c, analysis.Config{}, s, before, analysis.Verdict{})
	if again, _ := json.Marshal(s); string(again) != string(text) {
		t.Error("Step changed what it was given")
	}
	// A mean in units of its own.
	c := w.c
	c.Goal = Goal{Kind: analysis.Mean, Lower: -10, Upper: 10}
	values := analysis.Counts{N: 2, Sum: 10, SumSq: 100, Values: []stats.Moments{{}, {N: 2, Sum: 10, SumSq: 100}}}
	s = Step(c, analysis.Config{}, State{}, analysis.Sample{Block: 1, Metrics: map[string]analysis.Measure{GoalMetric: {Stable: values, Canary: values}}}, analysis.Verdict{})
	if d := cmp.Diff(stats.Clusters{Groups: []stats.Cluster{{Group: 1, N: 2, Sum: 1.5}}, SumSq: 1.25}, s.Arms[1].Users); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestAnOlderStateGoesOn: one from before groups were told is judged by requests
// until they are.
func TestAnOlderStateGoesOn(t *testing.T) {
	w := newCrowd(forever(false), 1000, 0, 1)
	w.blind = true
	s, _ := w.run(5)
	whole := Interval(w.c, s, 0, 1)
	w.blind = false
	for range 60 {
		s = Step(w.c, analysis.Config{}, s, w.sample(s), analysis.Verdict{})
	}
	if x := Interval(w.c, s, 0, 1); x.High-x.Low >= whole.High-whole.Low || s.tooFew() != "" {
		t.Errorf("%+v after %+v: %s", x, whole, s.tooFew())
	}
}
