package analysis

import (
	"fmt"
	"math"

	"github.com/haldane-dev/haldane/internal/stats"
)

// The grids, read only.
var (
	effects    = stats.Effects()
	outcomes   = stats.Outcomes()
	slowdowns  = stats.Slowdowns()
	shifts     = stats.Shifts()
	passing    = stats.Pass()
	faster     = stats.Faster()
	agreements = stats.Agreements()
	leaps      = stats.Leaps()
)

// outcomePrior is what is assumed of the share of wrong predictions.
var outcomePrior = stats.Prior{N: 10, K: 1}

// shareState judges a share of requests: failures, wrong predictions, or answers
// over a fixed time.
type shareState struct {
	Contrast  contrast       `json:"contrast"`
	Rollback  trial          `json:"rollback"`
	Promotion trial          `json:"promotion"`
	Seen      stats.Standard `json:"seen"`
	Range     span           `json:"range,omitzero"`
	Labels    *labelState    `json:"labels,omitempty"` // where labels may be selective
	Halves    *halvesState   `json:"halves,omitempty"` // the A/A control
	Raised    float64        `json:"raised,omitempty"` // log evidence that Rollback was given for not overshooting
}

func (s shareState) clone() shareState {
	s.Rollback, s.Promotion, s.Range = s.Rollback.clone(), s.Promotion.clone(), s.Range.clone()
	s.Labels = cloned(s.Labels, labelState.clone)
	s.Halves = cloned(s.Halves, halvesState.clone)
	return s
}

func (m Metric) prior() stats.Prior {
	if m.Kind == Outcome {
		return outcomePrior
	}
	return stats.RarePrior
}

func (m Metric) grid() stats.Grid {
	if m.Kind == Outcome {
		return outcomes
	}
	return effects
}

func (s *shareState) check(m Metric, x Measure) string {
	if m.Kind == Outcome && len(x.Bins) > 0 {
		if s.Labels != nil {
			if why := s.Labels.check(x); why != "" {
				return why
			}
		}
		return checkBoth(x, func(c Counts) string {
			if why := checkLabels(x, c); why != "" {
				return why
			}
			return checkGroups(c.labels())
		})
	}
	if why := checkBoth(x, func(c Counts) string {
		if c.N < 0 || c.K < 0 || c.K > c.N {
			return fmt.Sprintf("%d hits in %d trials", c.K, c.N)
		}
		return checkGroups(c)
	}); why != "" {
		return why
	}
	return checkHalves(x.Halves, x.Stable)
}

func (s *shareState) learn(m Metric, x Measure, decay float64) {
	if len(x.Bins) > 0 {
		// Of stable alone: how often labels come, and how many are wrong by that.
		l := lazily(&s.Labels)
		if l.ready() {
			s.Contrast.learn(l.count(x.Stable), m.prior(), decay)
		}
		l.observe(x, moment{decay: decay})
		return
	}
	s.Contrast.learn(count(x.Stable), m.prior(), decay)
}

func (s *shareState) bet(m Metric, x Measure, at moment) float64 {
	if len(x.Bins) > 0 {
		return s.betLabels(m, x, at)
	}
	p := m.share(at.who)
	at.halves = x.Halves
	return s.wager(p, stats.Block{Stable: count(x.Stable), Canary: count(x.Canary)}, at)
}

// control says what the checks of the comparison itself have found, "" if nothing.
func (s *shareState) control(m Metric, level float64) string {
	if s.Labels != nil {
		if why := s.Labels.selective(level); why != "" {
			return why
		}
	}
	return s.Halves.alarm(m.grid(), level)
}

// betLabels takes predictions as evidence of which only some have labels.
func (s *shareState) betLabels(m Metric, x Measure, at moment) float64 {
	l := lazily(&s.Labels)
	phi := 0.0
	if l.ready() {
		p := m.share(at.who)
		p.margin = l.scaled(p.margin)
		phi = s.wager(p, stats.Block{Stable: l.count(x.Stable), Canary: l.count(x.Canary)}, at)
	}
	l.observe(x, at)
	return phi
}

// scaled returns the line between shares of wrong predictions as one between the
// hits they count as.
func (l *labelState) scaled(n stats.Null) stats.Null {
	if l.Scale > 0 {
		n.Shift *= l.Scale
	}
	return n
}

// unscale turns what was found of the hits back to shares of wrong predictions.
func (l *labelState) unscale(out *summary) {
	if l.Scale <= 0 {
		return
	}
	for _, v := range []*float64{
		&out.stable, &out.canary, &out.effect.Estimate, &out.effect.Low, &out.effect.High, &out.effect.Margin,
		&out.tolerated.value, &out.margin.value,
	} {
		*v = math.Min(math.Max(*v/l.Scale, -1), 1)
	}
}

// share is one share's margin, how much of it is tolerated, and what is assumed.
type share struct {
	margin   stats.Null
	tolerate float64
	prior    stats.Prior
	grid     stats.Grid
	who      who
	failures bool // of requests, so that most of stable's are an outage
}

// share returns what a metric of shares is judged by.
func (m Metric) share(w who) share {
	return share{m.margin(), m.Tolerate, m.prior(), m.grid(), w, m.Kind == ErrorRate}
}

// rollback returns the bet against the canary being tolerable.
func (p share) rollback() stats.Bet {
	return stats.Bet{Null: p.who.rollback(p.margin.Scale(p.tolerate)), Side: stats.Rollback, Odds: p.grid.Odds}
}

// promotion returns the bet against the canary being beyond the margin.
func (p share) promotion(factor float64) stats.Bet {
	return stats.Bet{Null: p.who.promotion(p.margin.Scale(factor)), Side: stats.Promotion}
}

// wager takes one block as evidence on both sides. Both bets rest on earlier
// blocks: on stable's rate against a rollback, on the rate of both arms together
// against a promotion.
func (s *shareState) wager(p share, x stats.Block, at moment) float64 {
	var up [8]float64
	var pass [1]float64
	roll := up[:p.grid.Components()]
	theta := s.Contrast.Stable.Rate(p.prior)
	canary := s.Contrast.canary(theta)
	p.rollback().Factors(roll, x, theta)
	if !s.outage(p) {
		p.promotion(at.factor).Factors(pass[:], x, stats.Pooled(s.Contrast.Stable, s.Contrast.Canary, p.prior))
	}
	t := s.Contrast.observe(x, p.prior, at.decay, at.temper)
	if len(at.halves) == 2 {
		h := lazily(&s.Halves)
		h.observe(at.halves, p, at, t)
		t.Phi = math.Max(t.Phi, h.least(p, at.checks))
	}
	s.Rollback.advance(roll, t, at.schedule, at.due)
	s.recoup(p, x, theta, t.Phi, at)
	s.Promotion.advance(pass[:], t.ForPromotion(), stats.Once, 0)
	s.Range.advance(stats.Fine, stats.Share(x.Stable, theta), stats.Share(x.Canary, canary), t)
	s.Seen.Add(x)
	return t.Phi
}

// down is the share of failures from which stable is taken to be out of order
// itself.
const down = .5

// outage reports whether stable fails so much that being no worse means nothing.
// The evidence on a rollback goes on, since what both arms suffer cancels.
func (s *shareState) outage(p share) bool {
	return p.failures && s.Contrast.Stable.Rate(p.prior) >= down
}

// recoup gives the rollback evidence what it would waste beyond the threshold.
func (s *shareState) recoup(p share, x stats.Block, theta, phi float64, at moment) {
	if at.decides <= 0 {
		return
	}
	var buf [8]float64
	slopes := buf[:p.grid.Components()]
	bet := p.rollback()
	bet.Slopes(slopes, x, theta)
	f := stats.Recoup{
		Threshold: at.decides, Shares: p.grid.Shares, Null: bet.Null, Block: x, Slopes: slopes,
	}.LogShare(s.Rollback.Process, at.schedule, phi)
	s.Rollback.raise(f)
	s.Raised += f
}

// mistrust takes back what rested on how requests were assigned.
func (s *shareState) mistrust() {
	s.Rollback.raise(-s.Raised)
	s.Raised = 0
}

func (s *shareState) restage() { s.Promotion = trial{} }

func (s *shareState) summary(m Metric, v view) summary {
	p := m.share(v.who)
	if s.Labels != nil {
		p.margin = s.Labels.scaled(p.margin)
	}
	out := s.shareSummary(p, v)
	if s.Labels != nil {
		s.Labels.unscale(&out)
		if s.Labels.Scale <= 0 {
			out.waiting = "enough labels to know who gets them"
		}
	}
	if s.outage(p) {
		out.held = fmt.Sprintf("stable itself fails %s of its requests lately: an outage of both says nothing of the canary, and nothing is promoted meanwhile",
			percent(s.Contrast.Stable.Rate(p.prior)))
	}
	what := "canary errors"
	if m.Kind == Outcome {
		what = "canary wrong predictions"
	}
	out.phrase = what + " " + percent(out.canary) + " against " + percent(out.stable)
	return out
}

// shareSummary fills in everything but the phrase.
func (s *shareState) shareSummary(p share, v view) summary {
	seen := s.Seen.Block()
	stable, canary := seen.Stable.Share(), seen.Canary.Share()
	now := s.Contrast.Stable.Rate(p.prior)
	at := p.margin.Scale(v.stage.factor())
	out := summary{
		rollback:  s.Rollback.logE(p.grid, v.schedule),
		promotion: s.Promotion.logE(passing, stats.Once),
		stable:    stable,
		canary:    canary,
		effect:    Effect{Estimate: canary - stable, Unit: "share", Margin: p.margin.At(stable) - stable},
		speed:     p.promotion(v.stage.factor()).Growth(stats.Rates{Stable: now, Canary: now}, v.stable, v.canary),
		tolerated: bound{"up to ", p.margin.Scale(p.tolerate).At(stable), percent},
		margin:    bound{"at most ", at.At(stable), percent},
	}
	s.Range.put(&out.effect, -1, 1, 1)
	if p.who.sticky {
		// Half of each error probability went into who the users may be.
		out.rollback -= math.Ln2
		out.promotion -= math.Ln2
		out.note = p.who.note()
		p.who.widen(&out.effect, stable)
	}
	return out
}

// count converts trials and hits.
func count(c Counts) stats.Count { return stats.Count{N: float64(c.N), K: float64(c.K)} }
