package experiment

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/stats"
)

// began is when every simulated experiment begins.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// three is an experiment of three arms, of right predictions.
func three() Config {
	return Config{
		Arms:       []Arm{{Name: "stable", Version: "v1", Weight: 34}, {Name: "canary", Version: "v2", Weight: 33}, {Name: "v3", Version: "v3", Weight: 33}},
		Goal:       Goal{Kind: analysis.Outcome, MinEffect: .01},
		Confidence: .95, MaxDuration: 24 * time.Hour,
	}
}

// world sends requests to arms and labels their answers.
type world struct {
	c       Config
	rng     *rand.Rand
	right   []float64 // share of right predictions by arm
	drift   float64   // of all shares, from block to block: a day's rise and fall
	values  bool      // the goal is a mean of Beta-like values, not of hits
	n       int       // requests of one block
	block   int64
	verdict analysis.Verdict
}

func (w *world) sample(s State) analysis.Sample {
	w.block++
	slots := s.Slots
	if slots == "" {
		slots = w.c.Slots()
	}
	counts := make([]analysis.Counts, len(w.c.Arms))
	level := w.drift * float64((w.block/20)%2)
	for range w.n {
		arm := slots[w.rng.IntN(len(slots))] - '0'
		p := w.right[arm] - level
		c := &counts[arm]
		c.N++
		switch x := w.rng.Float64(); {
		case w.values:
			v := p * 2 * x // uniform with mean p
			c.Sum += v
			c.SumSq += v * v
		case x >= p:
			c.K++
		}
	}
	return analysis.Sample{
		Block: w.block, Start: began.Add(time.Duration(w.block-1) * 15 * time.Second), End: began.Add(time.Duration(w.block) * 15 * time.Second),
		Metrics:  map[string]analysis.Measure{GoalMetric: {Stable: counts[0], Canary: counts[1]}},
		Variants: variants(counts[2:]),
	}
}

func variants(counts []analysis.Counts) []analysis.Variant {
	var out []analysis.Variant
	for _, c := range counts {
		out = append(out, analysis.Variant{Metrics: map[string]analysis.Measure{GoalMetric: {Canary: c}}})
	}
	return out
}

// run goes on until the experiment ends or so many blocks have passed.
func (w *world) run(blocks int) (State, Finding) {
	var s State
	var f Finding
	for range blocks {
		s = Step(w.c, analysis.Config{}, s, w.sample(s), w.verdict)
		if f = Judge(w.c, s, time.Duration(w.block)*15*time.Second); f.Ending != "" {
			break
		}
	}
	return s, f
}

func runs(t *testing.T, n int) int {
	if testing.Short() {
		return n / 3
	}
	return n
}

// TestFalseWinners: equal arms, looked at after every block. The share of runs
// that name any winner is at most 1 − confidence, with fixed weights and with
// weights that follow the evidence, though rates drift meanwhile.
func TestFalseWinners(t *testing.T) {
	for name, tt := range map[string]struct {
		thompson, values bool
		drift            float64
	}{
		"fixed":                    {},
		"fixed, values":            {values: true},
		"thompson":                 {thompson: true},
		"thompson, rates that go":  {thompson: true, drift: .2},
		"thompson, values that go": {thompson: true, values: true, drift: .1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, wrong := runs(t, 150), 0
			for run := range n {
				c := three()
				c.Goal.MinEffect = 0 // futility is the business of another test
				c.MaxDuration = 0
				w := &world{c: c, rng: rand.New(rand.NewPCG(uint64(run), 7)), right: []float64{.4, .4, .4}, n: 60, drift: tt.drift, values: tt.values}
				if tt.values {
					w.c.Goal = Goal{Kind: analysis.Mean, Lower: 0, Upper: 1}
				}
				if tt.thompson {
					w.c.Thompson, w.c.Floor, w.c.Every = true, .1, 2*time.Minute
					w.verdict = analysis.Verdict{Decision: analysis.Pass}
				}
				if _, f := w.runSafe(100); f.Ending == Winner {
					wrong++
				}
			}
			if low := stats.Wilson(stats.Count{N: float64(n), K: float64(wrong)}, stats.Z95).Low; low > .05 {
				t.Errorf("%d of %d runs of equal arms have a winner", wrong, n)
			}
			t.Logf("%d of %d runs have a winner", wrong, n)
		})
	}
}

// runSafe is run for weights that follow the evidence from the first block on.
func (w *world) runSafe(blocks int) (State, Finding) {
	s := Begin(w.c)
	for i := range s.Arms {
		s.Arms[i].Safe = w.c.Thompson
	}
	var f Finding
	for range blocks {
		s = Step(w.c, analysis.Config{}, s, w.sample(s), w.verdict)
		if f = Judge(w.c, s, time.Duration(w.block)*15*time.Second); f.Ending == Winner {
			break
		}
	}
	return s, f
}

// TestTheBestArmWins: three points over the others it wins, nearly always, and
// weights that follow the evidence send it most of the traffic.
func TestTheBestArmWins(t *testing.T) {
	for _, thompson := range []bool{false, true} {
		n, won := runs(t, 15), 0
		for run := range n {
			c := three()
			c.Thompson, c.Floor, c.Every = thompson, .1, 2*time.Minute
			w := &world{c: c, rng: rand.New(rand.NewPCG(uint64(run), 11)), right: []float64{.40, .40, .50}, n: 300}
			s, f := w.runSafe(400)
			if f.Ending == Winner && f.Arm == 2 {
				won++
			}
			if got := strings.Count(s.Slots, "2"); thompson && got < 50 {
				t.Errorf("the winner has %d of 100 slots", got)
			}
		}
		if won < n*9/10 {
			t.Errorf("thompson %v: the best arm won %d of %d runs", thompson, won, n)
		}
	}
}

func TestEqualArmsEndByFutility(t *testing.T) {
	c := three()
	c.Goal.MinEffect = .05
	w := &world{c: c, rng: rand.New(rand.NewPCG(1, 13)), right: []float64{.4, .4, .4}, n: 500}
	if _, f := w.run(400); f.Ending != Futile || !strings.Contains(f.Reason, "no arm can be better than stable by 5pp") {
		t.Errorf("%+v", f)
	}
}

func TestTimeEndsIt(t *testing.T) {
	c := three()
	c.MaxDuration = 5 * time.Minute
	w := &world{c: c, rng: rand.New(rand.NewPCG(1, 13)), right: []float64{.4, .4, .4}, n: 10}
	if _, f := w.run(400); f.Ending != OutTime || w.block != 20 || !strings.Contains(f.Reason, "no winner within 5m0s: canary ") {
		t.Errorf("after %d blocks %+v", w.block, f)
	}
}

func TestNothingEndsItBeforeItsTime(t *testing.T) {
	c := three()
	c.MinDuration = time.Hour
	w := &world{c: c, rng: rand.New(rand.NewPCG(1, 13)), right: []float64{.1, .1, .9}, n: 500}
	s, f := w.run(100)
	if f.Ending != "" {
		t.Errorf("%+v", f)
	}
	if f = Judge(c, s, time.Hour); f.Ending != Winner || f.Arm != 2 {
		t.Errorf("%+v", f)
	}
}

// TestAFailedArmIsClosed: its slots go to the control, the others keep theirs, and
// with no treatment left it is over.
func TestAFailedArmIsClosed(t *testing.T) {
	w := &world{c: three(), rng: rand.New(rand.NewPCG(1, 13)), right: []float64{.4, .4, .4}, n: 100}
	s := Step(w.c, analysis.Config{}, State{}, w.sample(State{}), analysis.Verdict{})
	before := s.Slots
	w.verdict = analysis.Verdict{Decision: analysis.Fail, Reason: "errors"}
	s = Step(w.c, analysis.Config{}, s, w.sample(s), w.verdict)
	if s.Open(1) || !s.Open(2) || s.Arms[1].Closed != "errors" {
		t.Errorf("%+v", s.Arms)
	}
	if want := strings.ReplaceAll(before, "1", "0"); s.Slots != want {
		t.Errorf("slots %s, want %s", s.Slots, want)
	}
	s2 := Close(w.c, s, 2, "it has stopped")
	if f := Judge(w.c, s2, 0); f.Ending != Unsafe || !strings.Contains(f.Reason, "canary: errors; v3: it has stopped") {
		t.Errorf("%+v", f)
	}
	if !s.Open(2) {
		t.Error("Close changed what it was given")
	}
	// A closed arm is no rival: the other one can win without it.
	w.right = []float64{.1, .4, .9}
	if _, f := w.from(s, 100); f.Ending != Winner || f.Arm != 2 {
		t.Errorf("%+v", f)
	}
}

func (w *world) from(s State, blocks int) (State, Finding) {
	var f Finding
	for range blocks {
		s = Step(w.c, analysis.Config{}, s, w.sample(s), w.verdict)
		if f = Judge(w.c, s, time.Hour); f.Ending != "" {
			break
		}
	}
	return s, f
}

func TestStepIsPureAndSurvivesJSON(t *testing.T) {
	c := three()
	c.Thompson, c.Floor = true, .1
	w := &world{c: c, rng: rand.New(rand.NewPCG(3, 3)), right: []float64{.4, .5, .6}, n: 50, verdict: analysis.Verdict{Decision: analysis.Pass}}
	s, _ := w.run(12)
	before, _ := json.Marshal(s)
	x := w.sample(s)
	a := Step(c, analysis.Config{}, s, x, w.verdict)
	if after, _ := json.Marshal(s); string(after) != string(before) {
		t.Error("Step changed what it was given")
	}
	var back State
	if err := json.Unmarshal(before, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, Step(c, analysis.Config{}, back, x, w.verdict)); diff != "" {
		t.Errorf("from a state that went through JSON:\n%s", diff)
	}
	if diff := cmp.Diff(a, Step(c, analysis.Config{}, a, x, w.verdict)); diff != "" {
		t.Errorf("the same block twice:\n%s", diff)
	}
}

// TestOneSidedBlocksWait: an arm without a value in a block is compared later.
func TestOneSidedBlocksWait(t *testing.T) {
	c := three()
	block := func(n int64, stable, canary analysis.Counts) analysis.Sample {
		return analysis.Sample{Block: n, Weight: .5, End: began.Add(time.Duration(n) * time.Second), Start: began.Add(time.Duration(n-1) * time.Second),
			Metrics: map[string]analysis.Measure{GoalMetric: {Stable: stable, Canary: canary}}}
	}
	s := Step(c, analysis.Config{}, State{}, block(1, analysis.Counts{N: 10, K: 5}, analysis.Counts{}), analysis.Verdict{})
	if x := Interval(c, s, 0, 1); x.Low != -1 || x.High != 1 {
		t.Errorf("nothing was compared, and the interval is %+v", x)
	}
	s = Step(c, analysis.Config{}, s, block(2, analysis.Counts{}, analysis.Counts{N: 400, K: 0}), analysis.Verdict{})
	if p := s.Pairs[0]; p.Waiting != [2]stats.Moments{} {
		t.Errorf("waiting %+v", p.Waiting)
	}
	if s.Arms[0].Total.N != 10 || s.Arms[1].Total.N != 400 {
		t.Errorf("%+v", s.Arms)
	}
}

func TestVersions(t *testing.T) {
	c := three()
	if got := c.Versions(); got != "v1, v2 and v3" {
		t.Error(got)
	}
	c.Arms = c.Arms[:2]
	if got := c.Versions(); got != "v1 and v2" {
		t.Error(got)
	}
}

// TestLabelsByClass: a source that counts labels by predicted class says the same
// as one that counts them at once.
func TestLabelsByClass(t *testing.T) {
	g := Goal{Kind: analysis.Outcome}
	want := g.values(analysis.Counts{N: 30, K: 12})
	got := g.values(analysis.Counts{Counts: []int64{40, 20}, Labelled: []int64{20, 10}, Wrong: []int64{4, 8}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNothingCountsBeforeItIsWarm: the warm-up, and what comes back of it, is no
// evidence.
func TestNothingCountsBeforeItIsWarm(t *testing.T) {
	c := three()
	c.Goal.After = time.Minute
	w := &world{c: c, rng: rand.New(rand.NewPCG(1, 7)), right: []float64{.4, .4, .4}, n: 60}
	var s State
	for range 12 {
		x := w.sample(s)
		if w.block > 4 {
			x.Weight = 1. / 3
		}
		s = Step(c, analysis.Config{}, s, x, w.verdict)
		// Its traffic begins with block 5, and blocks take 15 seconds.
		if has := s.Arms[0].Total.N > 0; has != (w.block >= 9) {
			t.Errorf("block %d is evidence: %t", w.block, has)
		}
	}
	if want := began.Add(4 * 15 * time.Second); !s.First.Equal(want) {
		t.Errorf("its traffic began at %s, want %s", s.First, want)
	}
}

// TestTheControlAlone: what it did before any treatment had traffic is no evidence,
// also of a goal that nothing is waited for.
func TestTheControlAlone(t *testing.T) {
	c := three()
	c.Goal = Goal{Kind: analysis.Mean, Upper: 1, Binary: true, MinEffect: .01}
	counts := func(n, k int64) analysis.Counts {
		return analysis.Counts{N: n, Sum: float64(k), SumSq: float64(k)}
	}
	var s State
	for block := int64(1); block <= 4; block++ {
		x := analysis.Sample{Block: block, Start: began.Add(time.Duration(block) * time.Minute), End: began.Add(time.Duration(block+1) * time.Minute)}
		x.Metrics = map[string]analysis.Measure{GoalMetric: {Stable: counts(1000, 900)}}
		x.Variants = variants([]analysis.Counts{{}})
		if block == 4 {
			x.Weight = .5
			x.Metrics[GoalMetric] = analysis.Measure{Stable: counts(100, 50), Canary: counts(100, 50)}
		}
		s = Step(c, analysis.Config{}, s, x, analysis.Verdict{})
	}
	if got := s.Arms[0].Total; got.N != 100 || got.Sum != 50 {
		t.Errorf("the control's evidence is %+v, want that of its last hundred", got)
	}
	if got := s.Pairs[pair(0, 1)].Waiting; got != [2]stats.Moments{} {
		t.Errorf("waiting: %+v", got)
	}
}
