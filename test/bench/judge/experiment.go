package main

import (
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// experiment is everything the full form measures.
type experiment struct {
	Seed    uint64
	Commit  string
	Runs    int // rollouts of a regressed canary
	Healthy int // rollouts of a healthy one
	grid    map[cell]result
	special []result
	latency []result
	match   *regexp.Regexp // the figures to measure; all if nil
	figures []measured
}

// key is a cell of the grid, recorded every second for an hour.
func key(base, effect, rps, split float64) cell {
	return cell{base, effect, rps, split, time.Second, time.Hour}
}

func (e *experiment) compete(w workload) result {
	n := e.Runs
	if !w.regressed {
		n = e.Healthy
	}
	slog.Info("simulating", "workload", w.name, "rollouts", n)
	return compete(w, rules(w, e.Seed), e.Seed, n)
}

// run measures everything.
func (e *experiment) run(scale float64) {
	e.grid = map[cell]result{}
	for _, split := range splits {
		for _, rps := range rates {
			for _, base := range bases {
				for _, effect := range effects {
					c := key(base, effect, rps, split)
					e.grid[c] = e.compete(c.workload())
				}
			}
		}
	}
	for _, w := range specials() {
		e.special = append(e.special, e.compete(w))
	}
	for _, d := range slowdowns {
		e.latency = append(e.latency, e.compete(slowing(d)))
	}
	e.latency = append(e.latency, e.compete(warmingSlowly()))
	e.measure(scale)
}

// measure measures the figures alone.
func (e *experiment) measure(scale float64) {
	for _, f := range figures() {
		if e.match != nil && !e.match.MatchString(f.name) {
			continue
		}
		slog.Info("measuring", "figure", f.name)
		e.figures = append(e.figures, f.measure(e.Seed, max(1, int(scale*float64(f.runs)))))
	}
}

// specials are the workloads whose rates change or whose failures are not
// independent.
func specials() []workload {
	return []workload{
		ramping(1), ramping(2),
		bursting(2, 1), bursting(4, 1), bursting(8, 1), bursting(4, 3),
		starting(2), starting(5), warming(1), warming(2),
	}
}

// falseRollbackTable shows healthy canaries that were taken back, in percent.
func (e *experiment) falseRollbackTable(split float64) table {
	var results []result
	var columns []string
	for _, rps := range rates {
		for _, base := range bases {
			results = append(results, e.grid[key(base, 1, rps, split)])
			columns = append(columns, fmt.Sprintf("%s, %v rps", percent(base), rps))
		}
	}
	t := byRule(results, columns, func(_ result, t tally) string { return share(t.early, t.runs) })
	t.header = append(t.header, "worst [95%]")
	for i := range t.rows {
		worst := results[0].tallies[i]
		for _, r := range results {
			if r.tallies[i].early > worst.early {
				worst = r.tallies[i]
			}
		}
		ci := wilson(worst.early, worst.runs)
		t.rows[i] = append(t.rows[i], fmt.Sprintf("%s [%s, %s]", share(worst.early, worst.runs), digits(100*ci.low), digits(100*ci.high)))
	}
	return t
}

// regressions are the cells with a regressed canary at one rate and split.
func (e *experiment) regressions(rps, split float64) (results []result, healthy []result, columns []string) {
	for _, base := range bases {
		for _, effect := range effects[1:] {
			results = append(results, e.grid[key(base, effect, rps, split)])
			healthy = append(healthy, e.grid[key(base, 1, rps, split)])
			columns = append(columns, fmt.Sprintf("%s → %s", percent(base), percent(base*effect)))
		}
	}
	return results, healthy, columns
}

// detectionTable shows what was caught in percent, and the median minutes.
func (e *experiment) detectionTable(rps, split float64) table {
	results, healthy, columns := e.regressions(rps, split)
	return unlessFiring(results, healthy, columns, caughtAndMedian)
}

// harmTable shows requests made worse and wrong promotions in percent.
func (e *experiment) harmTable(rps, split float64) table {
	results, healthy, columns := e.regressions(rps, split)
	return unlessFiring(results, healthy, columns, func(_ result, t tally) string {
		return digits(t.served) + " / " + share(t.promoted, t.runs)
	})
}

// boundTable shows mean canary requests to a rollback over the information bound,
// where all were caught.
func (e *experiment) boundTable(rps, split float64) table {
	results, healthy, columns := e.regressions(rps, split)
	cells := map[string]float64{}
	for _, base := range bases {
		for _, effect := range effects[1:] {
			c := key(base, effect, rps, split)
			cells[c.name()] = bound(base, base*effect, split, .01)
		}
	}
	return unlessFiring(results, healthy, columns, func(r result, t tally) string {
		if float64(t.caught) < .99*float64(t.runs) {
			return "–"
		}
		return fmt.Sprintf("%.2f", t.requests/cells[r.workload.name])
	})
}

// unlessFiring is byRule with a mark where the rule takes healthy canaries back.
func unlessFiring(results, healthy []result, columns []string, show func(result, tally) string) table {
	t := byRule(results, columns, show)
	for i := range t.rows {
		for j := range results {
			if fires(healthy[j], t.rows[i][0]) {
				t.rows[i][j+1] = "†"
			}
		}
	}
	return t
}

// caughtAndMedian writes both, and what was promoted where it was not nothing.
func caughtAndMedian(r result, t tally) string {
	if !r.workload.regressed {
		return share(t.early, t.runs)
	}
	out := share(t.caught, t.runs)
	if t.caught > 0 {
		out += " / " + digits(t.median())
	}
	if r.workload.onset > 0 && t.early > 0 {
		out += " (" + share(t.early, t.runs) + " early)"
	}
	return out
}

// list is a table of results with healthy or with regressed canaries side by side,
// with a mark where the rule takes back healthy canaries of the same workload.
func (e *experiment) list(results []result, regressed bool) table {
	known := map[string]result{}
	for _, r := range results {
		known[r.workload.name] = r
	}
	var shown, healthy []result
	var columns []string
	for _, r := range results {
		if r.workload.regressed != regressed {
			continue
		}
		twin, _ := r.workload.twins()
		reference, ok := known[twin.name]
		if !ok {
			reference = e.grid[key(.01, 1, 100, .05)]
		}
		if !regressed {
			reference = result{}
		}
		shown, healthy = append(shown, r), append(healthy, reference)
		columns = append(columns, r.workload.name)
	}
	return unlessFiring(shown, healthy, columns, caughtAndMedian)
}

// figureTable lists the figures to reach.
func (e *experiment) figureTable() table {
	t := table{header: []string{"figure", "at most", "measured [95%]", "rollouts", ""}}
	for _, m := range e.figures {
		t.rows = append(t.rows, []string{m.name, m.unit(m.limit), m.shown(), fmt.Sprint(m.n), string(m.standing())})
	}
	return t
}

// everything lists all cells of the grid, one rule to a line.
func (e *experiment) everything() table {
	t := table{header: []string{"workload", "rule", "false %", "caught %", "promoted %", "held %", "median min", "made worse", "requests"}}
	add := func(r result) {
		for _, x := range r.tallies {
			t.rows = append(t.rows, []string{r.workload.name, x.rule, share(x.early, x.runs), share(x.caught, x.runs),
				share(x.promoted, x.runs), share(x.held(), x.runs), digits(x.median()), digits(x.served), digits(x.requests)})
		}
	}
	for _, split := range splits {
		for _, rps := range rates {
			for _, base := range bases {
				for _, effect := range effects {
					add(e.grid[key(base, effect, rps, split)])
				}
			}
		}
	}
	for _, r := range append(e.special, e.latency...) {
		add(r)
	}
	return t
}
