package analysis

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/stats"
)

// The table of the documentation is measured with -args -users.runs 300.
var usersRuns = flag.Int("users.runs", 0, "runs of each rollout among users who stay; 0: as many as an ordinary test takes")

// buyers are users who stay on their arm and buy with a probability of their own,
// from Beta(4, 6), wherever they are.
type buyers struct {
	share [100]float64 // of all requests, by group
	rate  [100]float64
}

func newBuyers(r *rand.Rand, n int, uneven float64) (b buyers) {
	total := 0.
	for range n {
		g, activity := r.IntN(100), math.Exp(uneven*r.NormFloat64())
		b.share[g] += activity
		b.rate[g] += activity * beta(r, 4, 6)
		total += activity
	}
	for g := range b.share {
		if b.share[g] > 0 {
			b.rate[g] /= b.share[g]
		}
		b.share[g] /= total
	}
	return b
}

// block draws a block; the canary has the first groups, and sells worse times as
// much.
func (b buyers) block(r *rand.Rand, requests, weight, worse float64, told bool) Measure {
	var x Measure
	values := [2][]stats.Moments{make([]stats.Moments, 100), make([]stats.Moments, 100)}
	for g := range 100 {
		arm, c, rate := 0, &x.Stable, b.rate[g]
		if float64(g) < 100*weight {
			arm, c, rate = 1, &x.Canary, math.Min(1, worse*b.rate[g])
		}
		n := poisson(r, requests*b.share[g])
		k := binomial(r, n, rate)
		values[arm][g] = stats.Moments{N: float64(n), Sum: float64(k), SumSq: float64(k)}
		c.N, c.Sum, c.SumSq = c.N+n, c.Sum+float64(k), c.SumSq+float64(k)
	}
	if told {
		x.Stable.Values, x.Canary.Values = values[0], values[1]
	}
	return x
}

// bought is a mean of yes or no.
var bought = Metric{Name: "m", Kind: Mean, Upper: 1, MaxDecrease: .02}

// sell runs a rollout for an hour, and returns after how many blocks it came to the
// decision, 0 if it did not.
func sell(cfg Config, users int, uneven, weight, worse float64, told bool, stop Decision, seed uint64) (int, Verdict) {
	r := rng(seed)
	b := newBuyers(r, users, uneven)
	var st State
	var v Verdict
	for i := range int64(hour) {
		x := at(i, b.block(r, 300, weight, worse, told))
		x.Weight = weight
		if st, v = Step(cfg, st, x); v.Decision == stop {
			return int(i) + 1, v
		}
	}
	return 0, v
}

// TestMeansOfUsersWhoStay: equal versions among users who differ lastingly. By
// requests healthy canaries are taken back far too often, by groups of users they
// are not, nor are bad ones promoted.
func TestMeansOfUsersWhoStay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		users  int
		uneven float64
		weight float64
		always bool // measured by an ordinary test
	}{
		{"30 users, half", 30, 0, .5, false},
		{"100 users, half", 100, 0, .5, true},
		{"100 users, uneven, a twentieth", 100, 1, .05, true},
		{"1,000 users, half", 1000, 0, .5, false},
		{"1,000 users, a twentieth", 1000, 0, .05, false},
		{"10,000 users, half", 10_000, 0, .5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := 24
			if *usersRuns > 0 {
				n = *usersRuns
			} else if !tt.always || testing.Short() {
				n = 6
			}
			cfg := judged(bought)
			cfg.Sticky = true
			atMargin := cfg
			atMargin.Metrics = []Metric{bought}
			atMargin.Metrics[0].Tolerate = 1
			var back, on [2]int
			for run := range uint64(n) {
				for i, told := range []bool{false, true} {
					if blocks, _ := sell(cfg, tt.users, tt.uneven, tt.weight, 1, told, Fail, run); blocks > 0 {
						back[i]++
					}
					// Two points worse: 38 of 40.
					if blocks, _ := sell(atMargin, tt.users, tt.uneven, tt.weight, .95, told, Pass, run); blocks > 0 {
						on[i]++
					}
				}
			}
			t.Logf("%s: of %d, taken back though equal %d by requests, %d by groups; promoted at the margin %d and %d", tt.name, n, back[0], back[1], on[0], on[1])
			atMost(t, "taken back by groups", back[1], n, .01)
			atMost(t, "promoted at the margin by groups", on[1], n, .05)
			if tt.always && back[0] < n/8 {
				t.Errorf("by requests only %d of %d are taken back: users differ too little to show anything", back[0], n)
			}
		})
	}
}

// TestMeansOfUsersWhoStayDecide: a worse canary is taken back and an equal one
// promoted, later than if users did not stay.
func TestMeansOfUsersWhoStayDecide(t *testing.T) {
	cfg := judged(bought)
	cfg.Sticky = true
	cfg.Metrics[0].Tolerate = .5
	for _, tt := range []struct {
		name  string
		worse float64
		stop  Decision
	}{{"a quarter less", .75, Fail}, {"equal", 1, Pass}} {
		for _, told := range []bool{false, true} {
			n, hit, blocks := 6, 0, 0
			if *usersRuns > 0 {
				n = *usersRuns / 3
			}
			for run := range uint64(n) {
				if after, _ := sell(cfg, 10_000, 0, .5, tt.worse, told, tt.stop, run); after > 0 {
					hit, blocks = hit+1, blocks+after
				}
			}
			t.Logf("%s, by groups %v: %d of %d after %.1f min on average", tt.name, told, hit, n, float64(blocks)/4/math.Max(1, float64(hit)))
			if hit < n*6/10 {
				t.Errorf("%s, by groups %v: %s in %d of %d", tt.name, told, tt.stop, hit, n)
			}
		}
	}
}

// TestTooFewUsersOfAMean hold, and say so, bounded or not.
func TestTooFewUsersOfAMean(t *testing.T) {
	for name, m := range map[string]Metric{"bounded": bought, "unbounded": {Kind: Mean, Unbounded: true, BurnIn: 10, MaxDecrease: .02}} {
		cfg := judged(m)
		cfg.Sticky = true
		if after, v := sell(cfg, 6, 0, .5, .1, true, Fail, 2); after != 0 || !strings.Contains(v.Reason, "waiting for more users, or more values of each") || v.Metrics[0].Uncorrected {
			t.Errorf("%s, six users: %d %+v", name, after, v)
		}
		if after, v := sell(cfg, 2000, 0, .5, .5, true, Fail, 2); after == 0 {
			t.Errorf("%s, half of the sales are gone: %+v", name, v)
		}
		cfg.Metrics[0].MaxDecrease = .2
		_, v := sell(cfg, 300, 0, .5, 1, true, Fail, 2)
		if x := v.Metrics[0]; !strings.Contains(x.Reason, "can be due to who they are)") || !x.Effect.Always || x.Effect.Low > 0 || x.Effect.High < 0 {
			t.Errorf("%s, equal: %+v", name, x)
		}
	}
}

// TestValuesByGroupAreChecked, kept sparsely and read again.
func TestValuesByGroupAreChecked(t *testing.T) {
	cfg := judged(bought)
	cfg.Sticky = true
	for says, values := range map[string][]stats.Moments{
		"300 groups of users where 256 are the most": make([]stats.Moments, 300),
		"more values between them than there are":    {{N: 11}},
		"with values that cannot be":                 {{N: 1, Sum: math.NaN()}},
	} {
		arm := Counts{N: 10, Sum: 5, SumSq: 5, Values: values}
		if _, v := Step(cfg, State{}, at(0, Measure{Stable: arm, Canary: arm})); v.Decision != Invalid || !strings.Contains(v.Reason, says) {
			t.Errorf("want %q: %s %s", says, v.Decision, v.Reason)
		}
	}
	r := rng(1)
	b := newBuyers(r, 40, 0)
	var st State
	for i := range int64(20) {
		x := at(i, b.block(r, 300, .5, 1, true))
		x.Weight = .5
		st, _ = Step(cfg, st, x)
	}
	text, err := json.Marshal(st.Metrics[0].Users)
	if err != nil {
		t.Fatal(err)
	}
	var back users
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*st.Metrics[0].Users, back); d != "" {
		t.Errorf("through JSON:\n%s", d)
	}
	if groups := len(back.Values[0].Groups) + len(back.Values[1].Groups); groups > 40 || len(text) > 3000 {
		t.Errorf("%d groups of 40 users in %d bytes", groups, len(text))
	}
}

// TestValuesByGroupAddUp where counts wait for the other arm.
func TestValuesByGroupAddUp(t *testing.T) {
	a, b := Counts{N: 1, Values: []stats.Moments{{N: 1, Sum: 1, SumSq: 1}}}, Counts{N: 3, Values: []stats.Moments{{N: 1}, {N: 2, Sum: 2, SumSq: 2}}}
	want := []stats.Moments{{N: 2, Sum: 1, SumSq: 1}, {N: 2, Sum: 2, SumSq: 2}}
	if d := cmp.Diff(want, a.plus(b).Values); d != "" {
		t.Error(d)
	}
}

// TestAMeanFromBeforeThereWereGroupsGoesOn: it holds until groups have told, and
// then decides by what comes.
func TestAMeanFromBeforeThereWereGroupsGoesOn(t *testing.T) {
	cfg := judged(bought)
	cfg.Sticky = true
	r := rng(4)
	b := newBuyers(r, 2000, 0)
	var st State
	var v Verdict
	for i := range int64(200) {
		worse := 1.
		if i >= 20 {
			worse = .5
		}
		x := at(i, b.block(r, 300, .5, worse, i >= 10))
		x.Weight = .5
		if st, v = Step(cfg, st, x); v.Decision == Fail {
			break
		}
		if uncorrected := v.Metrics[0].Uncorrected; uncorrected != (i < 10) {
			t.Fatalf("block %d: uncorrected %v", i, uncorrected)
		}
	}
	if v.Decision != Fail || v.Block < 20 {
		t.Errorf("half of the sales are gone: %+v", v)
	}
}

// TestLabelsByGroup: labels are judged by group of users as failures are, selective
// or not, and groups that cannot be theirs are refused.
func TestLabelsByGroup(t *testing.T) {
	cfg := judged(Metric{Kind: Outcome, MaxIncrease: .05})
	cfg.Sticky = true
	p := populate(rng(1), 2000, 50, false)
	for _, bins := range [][]string{nil, {"yes"}} {
		x := p.block(rng(2), 1500, .05, 1)
		if x.Bins = bins; bins != nil {
			for _, c := range []*Counts{&x.Stable, &x.Canary} {
				c.Counts, c.Labelled, c.Wrong = []int64{2 * c.N}, []int64{c.N}, []int64{c.K}
			}
		}
		st, v := Step(cfg, State{}, at(0, x))
		if v.Metrics[0].Uncorrected || v.Decision == Invalid || st.Metrics[0].Users == nil {
			t.Errorf("bins %v: %+v", bins, v)
		}
		x.Canary.Groups[0].N += 10_000
		if _, v = Step(cfg, State{}, at(0, x)); v.Decision != Invalid || !strings.Contains(v.Reason, "more than the") {
			t.Errorf("bins %v: %+v", bins, v)
		}
	}
}
