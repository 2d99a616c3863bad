package rollout_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestTranscripts plays every file of testdata. `go test -run Transcripts
// -rewrite` writes down what happens now: commit it only if it should.
//
//	plan canary=v2 [stable=v1] steps=(5,pause,10m,s100,25*2,100) [max= on= ready= down= end=Report confirm=(promotion:hook)]
//	    what the file says from now on; a step is a weight, a weight with its
//	    factor, s and a mirrored share, the word pause, a time to pause, preview
//	    or preview+s100; a time after @ is the least that a step takes
//	observe [t=+10s] [traffic=carried|unknown|written|other] [stable= canary=ready|starting|failed|unknown|old]
//	        [verdict=pass|fail|invalid|more] [step=0] [block=3] [attempt=1] [blind=why]
//	        [gate=(id,yes|no,why)] [signal=(name,Rollback|Hold|Warn,why)]
//	    one call of Next. Everything has a default: ready, carried, no verdict.
//	    A verdict is about the step in force unless step= says otherwise. Lines
//	    of input are commands: `promote by=ann`, and `reason ...` the verdict's.
//	restart [router=lost]
//	    the process ends and comes back with what was saved
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			p := &player{now: start, block: 0}
			datadriven.RunTest(t, f, p.play)
		})
	}
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// player is the world of one transcript.
type player struct {
	now     time.Time
	file    rollout.Plan
	state   rollout.State // in memory
	saved   rollout.State
	carried traffic.Observed
	block   int64
	command int
}

func (p *player) play(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "plan":
		p.file = parsePlan(t, d)
		return "ok"
	case "restart":
		p.state = roundTrip(t, p.saved)
		if d.HasArg("router") {
			p.carried = traffic.Observed{Level: traffic.Unknown}
		}
		return "ok"
	case "observe":
		o := p.observation(t, d)
		before := p.state
		dec := checkedNext(t, p.state, o)
		p.state = dec.State
		saved := dec.State.Sequence != before.Sequence
		if saved {
			p.saved = dec.State
		}
		// The router follows at once unless the next line says otherwise.
		w := dec.Want.Split
		p.carried = traffic.Observed{Level: traffic.Accepted, Generation: w.Generation, Canary: w.Canary, Mirror: w.Mirror}
		return p.print(before, dec, saved)
	}
	t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	return ""
}

// checkedNext calls Next and checks what must hold of every call.
func checkedNext(t tester, s rollout.State, o rollout.Observation) rollout.Decision {
	t.Helper()
	s = roundTrip(t, s)
	keptState, keptObservation := roundTrip(t, s), copyObservation(t, o)
	d := rollout.Next(s, o)
	if diff := cmp.Diff(keptState, s); diff != "" {
		t.Fatalf("Next modified its state (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(keptObservation, o); diff != "" {
		t.Fatalf("Next modified its observation (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(d.State, roundTrip(t, d.State)); diff != "" {
		t.Fatalf("JSON does not keep the state (-state +read back):\n%s", diff)
	}
	if err := d.State.Validate(); err != nil {
		t.Fatalf("Next made an invalid state: %v", err)
	}
	again := rollout.Next(d.State, o)
	if diff := cmp.Diff(d.State, again.State); diff != "" {
		t.Fatalf("the same observation again changed the state (-first +second):\n%s", diff)
	}
	if len(again.Events) > 0 {
		t.Fatalf("the same observation again made events: %+v", again.Events)
	}
	if diff := cmp.Diff(d.Want, again.Want); diff != "" {
		t.Fatalf("the same observation again changed the target:\n%s", diff)
	}
	if d.Waiting != again.Waiting || !d.Wake.Equal(again.Wake) {
		t.Fatalf("the same observation again waits for %q until %s, first %q until %s", again.Waiting, again.Wake, d.Waiting, d.Wake)
	}
	return d
}

func (p *player) observation(t *testing.T, d *datadriven.TestData) rollout.Observation {
	o := rollout.Observation{Plan: p.file, Workloads: map[rollout.Role]rollout.Health{}, Traffic: p.carried}
	verdict, block, judged, reason := "", p.block+1, rollout.Judged{}, ""
	step := rollout.StageOf(p.state).Index
	health := map[string]string{"stable": "ready", "canary": "ready"}
	for _, a := range d.CmdArgs {
		v := strings.Join(a.Vals, ",")
		switch a.Key {
		case "t":
			p.now = p.now.Add(parseDuration(t, v))
		case "traffic":
			o.Traffic = otherTraffic(p.carried, v)
		case "stable", "canary":
			health[a.Key] = v
		case "verdict":
			verdict = v
		case "step":
			step = parseInt(t, v)
		case "block":
			block = int64(parseInt(t, v))
		case "attempt":
			judged = rollout.Judged{Revision: p.file.Canary.Hash, Attempt: parseInt(t, v)}
		case "blind":
			o.Blind = v
		case "signal":
			o.Signals = append(o.Signals, rollout.Signal{Name: a.Vals[0], Effect: rollout.Effect(a.Vals[1]), Message: strings.Join(a.Vals[2:], " ")})
		case "gate":
			o.Gates = append(o.Gates, rollout.GateResult{ID: a.Vals[0], Passed: a.Vals[1] == "yes", Message: strings.Join(a.Vals[2:], " ")})
		default:
			t.Fatalf("%s: unknown argument %q", d.Pos, a.Key)
		}
	}
	o.Now = p.now
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSpace(line)
		if r, ok := strings.CutPrefix(line, "reason "); ok {
			reason = r
			continue
		}
		o.Commands = append(o.Commands, p.parseCommand(t, line))
	}
	p.health(o, health)
	if verdict != "" {
		p.block = max(p.block, block)
		o.Judged = judged
		o.Evidence = &analysis.State{LastBlock: block}
		o.Verdict = analysis.Verdict{Decision: decisions[verdict], Reason: reason, Block: block, Stage: analysis.Stage{Index: step}}
	}
	return o
}

var decisions = map[string]analysis.Decision{
	"pass": analysis.Pass, "fail": analysis.Fail, "invalid": analysis.Invalid, "more": analysis.Inconclusive,
}

func (p *player) health(o rollout.Observation, says map[string]string) {
	for role, rev := range map[rollout.Role]rollout.Revision{traffic.Stable: p.file.Stable, traffic.Canary: p.file.Canary} {
		h := rollout.Health{Revision: rev.Hash}
		switch says[role.String()] {
		case "ready":
			h.Ready = true
		case "starting":
			h.Message = "the model is being loaded"
		case "ours":
			h.Ours, h.Message = true, "its pods are available, and nothing leads to them yet"
		case "failed":
			h.Failed, h.Message = true, "exit status 1"
		case "old":
			h.Ready, h.Revision = true, p.state.Plan.Canary.Hash
		case "unknown":
			continue
		}
		o.Workloads[role] = h
	}
}

func otherTraffic(c traffic.Observed, what string) traffic.Observed {
	switch what {
	case "unknown":
		return traffic.Observed{Level: traffic.Unknown}
	case "written":
		c.Level = traffic.Written
	case "other": // somebody changed it by hand
		c.Canary++
	}
	return c
}

func (p *player) parseCommand(t *testing.T, line string) rollout.Command {
	words := strings.Fields(line)
	p.command++
	c := rollout.Command{ID: fmt.Sprintf("c%d", p.command), Verb: rollout.Verb(words[0]), At: p.now}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "id":
			c.ID = v
		case "by":
			c.By = v
		case "full":
			c.Full = true
		case "revision":
			c.Revision = v
		case "because":
			c.Reason = v
		case "step":
			n := parseInt(t, v)
			c.Step = &n
		default:
			t.Fatalf("unknown word %q in %q", w, line)
		}
	}
	return c
}

func parsePlan(t *testing.T, d *datadriven.TestData) rollout.Plan {
	p := rollout.Plan{
		Name: "churn", Stable: revision("v1"), MaxDuration: 2 * time.Hour,
		OnDeadline: rollout.HoldAtDeadline, ScaleDown: 30 * time.Second,
	}
	for _, a := range d.CmdArgs {
		v := strings.Join(a.Vals, ",")
		switch a.Key {
		case "stable":
			p.Stable = revision(v)
		case "canary":
			p.Canary = revision(v)
		case "steps":
			for _, s := range a.Vals {
				p.Steps = append(p.Steps, parseStep(t, s))
			}
		case "max":
			p.MaxDuration = parseDuration(t, v)
		case "on":
			p.OnDeadline = rollout.OnDeadline(v)
		case "end":
			p.End = rollout.End(v)
		case "ready":
			p.ReadyWithin = parseDuration(t, v)
		case "down":
			p.ScaleDown = parseDuration(t, v)
		case "always":
			p.Split.Always = []traffic.Match{{Cohort: v}}
		case "never":
			p.Split.Never = []traffic.Match{{Cohort: v}}
		case "confirm":
			for _, c := range a.Vals {
				kind, name, _ := strings.Cut(c, ":")
				p.Confirm = append(p.Confirm, rollout.Confirm{Kind: rollout.GateKind(kind), Name: name})
			}
		default:
			t.Fatalf("%s: unknown argument %q", d.Pos, a.Key)
		}
	}
	return p
}

func revision(version string) rollout.Revision {
	if version == "none" {
		return rollout.Revision{}
	}
	return rollout.Revision{Version: version, Hash: "hash-of-" + version}
}

func parseStep(t *testing.T, s string) rollout.Step {
	if step, least, ok := strings.Cut(s, "@"); ok {
		out := parseStep(t, step)
		out.For = parseDuration(t, least)
		return out
	}
	switch {
	case s == "preview":
		return rollout.Step{Preview: true}
	case strings.HasPrefix(s, "preview+"):
		out := parseStep(t, strings.TrimPrefix(s, "preview+"))
		out.Preview = true
		return out
	case s == "pause":
		return rollout.Step{Pause: &rollout.Pause{}}
	case strings.HasPrefix(s, "s"):
		return rollout.Step{Shadow: traffic.Percent(float64(parseInt(t, s[1:])))}
	case strings.HasSuffix(s, "m") || strings.HasSuffix(s, "h"):
		return rollout.Step{Pause: &rollout.Pause{For: parseDuration(t, s)}}
	}
	weight, factor, _ := strings.Cut(s, "*")
	step := rollout.Step{Weight: traffic.Percent(float64(parseInt(t, weight)))}
	if factor != "" {
		step.Factor = float64(parseInt(t, factor))
	}
	return step
}

func parseInt(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func parseDuration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// print writes what a reader wants to know of a decision.
func (p *player) print(before rollout.State, d rollout.Decision, saved bool) string {
	var b strings.Builder
	s, w := d.State, d.Want.Split
	fmt.Fprintf(&b, "%s", s.Phase)
	switch s.Phase {
	case rollout.Progressing, rollout.Paused:
		g := rollout.StageOf(s)
		fmt.Fprintf(&b, " step=%d margins×%v", s.Step, g.Factor)
		if g.Last {
			b.WriteString(" last gate")
		}
	}
	if s.Deadline {
		b.WriteString(" at its deadline")
	}
	fmt.Fprintf(&b, " attempt=%d\n", s.Attempt)
	fmt.Fprintf(&b, "want: canary %s", w.Canary)
	if w.Mirror > 0 {
		fmt.Fprintf(&b, " mirror %s", w.Mirror)
	}
	if w.Open {
		b.WriteString(" open")
	}
	if n := len(w.Always) + len(w.Never); n > 0 {
		fmt.Fprintf(&b, " matches=%d", n)
	}
	fmt.Fprintf(&b, " (generation %d), run", w.Generation)
	if d.Want.Scale.Stable {
		b.WriteString(" stable")
	}
	if d.Want.Scale.Canary {
		b.WriteString(" canary")
	}
	if d.Want.Scale.Promoted {
		b.WriteString(" promoted")
	}
	b.WriteString("\n")
	for _, e := range d.Events {
		by := ""
		if e.By != "" {
			by = " by " + e.By
		}
		fmt.Fprintf(&b, "event: %s%s: %s\n", e.Kind, by, e.Message)
	}
	for _, r := range d.Replies {
		fmt.Fprintf(&b, "reply: %s accepted=%v: %s\n", r.ID, r.Accepted, r.Message)
	}
	for _, g := range d.Asks {
		fmt.Fprintf(&b, "ask: %s\n", g.ID)
	}
	if d.Waiting != "" {
		fmt.Fprintf(&b, "%s\n", d.Waiting)
	}
	if !d.Wake.IsZero() {
		fmt.Fprintf(&b, "wake in %s\n", d.Wake.Sub(p.now))
	}
	if !saved {
		b.WriteString("nothing to save\n")
	}
	return b.String()
}
