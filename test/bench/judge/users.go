package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"gonum.org/v1/gonum/stat/distuv"
)

const (
	userCount = 2000
	groups    = 100 // of users, by hash
	taken     = 5   // groups that 5% of traffic takes to the canary
)

// staying is a workload of users who stay on their arm and who fail differently
// often for good: shares follow a Beta distribution around 1%, of the given
// concentration a+b. Uneven users are active in lognormal proportion. Stable has
// served all of them for the past. Every rollout has users of its own.
func staying(concentration float64, uneven bool, past time.Duration, worse float64) workload {
	w := typical(1)
	w.name, w.tick = "", 15*time.Second
	w.regressed = worse > 1
	w.measure = byGroup
	w.each = func(r *rand.Rand) workload {
		share, rate := populate(r, concentration, uneven)
		stable, canary := make([]float64, 2*groups), make([]float64, 2*groups)
		one := w
		for g := range groups {
			bins, p, weight := stable, rate[g], .95
			if g < taken {
				bins, p, weight = canary, math.Min(1, worse*rate[g]), .05
			}
			bins[2*g], bins[2*g+1] = share[g]*(1-p)/weight, share[g]*p/weight
			if past > 0 {
				n := poisson(r, 100*past.Seconds()*share[g])
				k := distuv.Binomial{N: float64(n), P: rate[g], Src: r}.Rand()
				one.before = append(one.before, analysis.Group{N: n, K: int64(k)})
			}
		}
		one.stable, one.canary = constant(stable), constant(canary)
		return one
	}
	return w
}

// populate draws users and returns each group's share of requests and of failures.
func populate(r *rand.Rand, concentration float64, uneven bool) (share, rate [groups]float64) {
	law := distuv.Beta{Alpha: .01 * concentration, Beta: .99 * concentration, Src: r}
	total := 0.0
	for i := range userCount {
		activity := 1.0
		if uneven {
			activity = math.Exp(r.NormFloat64())
		}
		share[i%groups] += activity
		rate[i%groups] += activity * law.Rand()
		total += activity
	}
	for g := range groups {
		rate[g] /= share[g]
		share[g] /= total
	}
	return share, rate
}

// byGroup reads bins that are, group by group, the requests that went well and the
// ones that failed.
func byGroup(stable, canary []int64) analysis.Measure {
	arm := func(counts []int64) (c analysis.Counts) {
		for g := range groups {
			n, k := counts[2*g]+counts[2*g+1], counts[2*g+1]
			c.N, c.K = c.N+n, c.K+k
			c.Groups = append(c.Groups, analysis.Group{N: n, K: k})
		}
		return c
	}
	return analysis.Measure{Stable: arm(stable), Canary: arm(canary)}
}

// userFigures are users who stay on their arm: what they are must not be taken for
// what the canary does, and their past must tell the one from the other.
func userFigures() (out []figure) {
	block := 15 * time.Second
	sticky := func(t tolerance, stop analysis.Decision) judge {
		j := judging(errorMetric(t), block, stop)
		j.cfg.Sticky = true
		return j
	}
	for _, c := range []struct {
		what          string
		concentration float64
		uneven        bool
		past          time.Duration
	}{
		{"alike, no past", 50, false, 0},
		{"unlike and uneven, an hour's past", 10, true, time.Hour},
		{"unlike and uneven, a day's past", 10, true, 24 * time.Hour},
	} {
		out = append(out, figure{
			name: "false rollback: users who stay, " + c.what, limit: .01, runs: 1000, reduced: 60,
			workload: staying(c.concentration, c.uneven, c.past, 1), judge: sticky(strict, analysis.Fail),
		})
	}
	for _, c := range []struct {
		past    time.Duration
		minutes float64
		open    bool
	}{{time.Hour, 14, false}, {24 * time.Hour, 7, true}} {
		out = append(out, figure{
			name: fmt.Sprintf("rollback: users who stay, unlike and uneven, errors ×2, %v h of past", c.past.Hours()), kind: median,
			limit: c.minutes, open: c.open, runs: 500, reduced: 40,
			workload: staying(10, true, c.past, 2), judge: sticky(strict, analysis.Fail),
		})
	}
	return append(out, figure{
		name: "wrong promotion at the margin: users who stay, alike, an hour's past", limit: .05, runs: 500, reduced: 40,
		workload: staying(50, false, time.Hour, 1.35), judge: sticky(1, analysis.Pass),
	})
}
