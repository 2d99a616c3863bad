package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// steps tells what became of each step.
func steps(s engine.Status, blocks []engine.Block) []Step {
	at := make([][]engine.Block, len(s.Steps))
	for _, b := range blocks {
		judged := b.Phase == rollout.Progressing || b.Phase == rollout.Paused
		if judged && b.Step >= 0 && b.Step < len(at) {
			at[b.Step] = append(at[b.Step], b)
		}
	}
	out := make([]Step, len(s.Steps))
	for i, p := range s.Steps {
		out[i] = step(p, at[i])
		out[i].Number = i + 1
		out[i].State = stateOf(s, i, out[i].Decision)
	}
	return out
}

func step(p rollout.Step, blocks []engine.Block) Step {
	out := Step{What: what(p)}
	if len(blocks) == 0 {
		return out
	}
	last := blocks[len(blocks)-1]
	out.Began, out.Seconds = blocks[0].Start, last.End.Sub(blocks[0].Start).Seconds()
	out.Arms = sum(blocks)
	out.Decision, out.Reason, out.Metrics = last.Verdict.Decision, last.Verdict.Reason, metrics(last.Verdict)
	return out
}

// what a step is, in few words.
func what(p rollout.Step) string {
	switch {
	case p.Pause != nil && p.Pause.For > 0:
		return "pause " + lasted(p.Pause.For.Seconds())
	case p.Pause != nil:
		return "pause"
	}
	out := p.Weight.String()
	switch {
	case p.Preview && p.Shadow > 0:
		out = fmt.Sprintf("preview, shadow %s", p.Shadow)
	case p.Preview:
		out = "preview"
	case p.Shadow > 0:
		out = fmt.Sprintf("shadow %s", p.Shadow)
	}
	if p.For > 0 {
		out += " for " + lasted(p.For.Seconds())
	}
	return out
}

// stateOf tells what became of step i, whose last block was judged as d ("" if
// the journal has none).
func stateOf(s engine.Status, i int, d analysis.Decision) StepState {
	ended := s.Phase == rollout.Promoted || s.Phase == rollout.Promoting || s.Phase == rollout.Completing || s.Phase == rollout.Completed
	gate := s.Steps[i].Shadow > 0 || s.Steps[i].Weight > 0 && s.Steps[i].Weight < traffic.Full
	switch {
	case s.Phase == rollout.Idle || s.Phase == rollout.Initializing:
		return NotReached
	case ended || i < s.Step:
		if gate && d != "" && d != analysis.Pass {
			return Skipped
		}
		return Passed
	case i > s.Step:
		return NotReached
	case s.Phase == rollout.RollingBack || s.Phase == rollout.RolledBack:
		return Failed
	}
	return Stands
}

// numbers tells what each arm did, and over how many trials.
func numbers(m analysis.MetricVerdict) string {
	if m.StableN == 0 && m.CanaryN == 0 {
		return "nothing counted"
	}
	if m.Kind == analysis.Pairs {
		return fmt.Sprintf("answers differ in %s of %d pairs", Figure(m, m.Canary), m.CanaryN)
	}
	out := fmt.Sprintf("stable %s of %d, canary %s of %d", Figure(m, m.Stable), m.StableN, Figure(m, m.Canary), m.CanaryN)
	if m.Effect.Always {
		out += fmt.Sprintf(", difference %s (95%%: %s to %s)", signed(m, m.Effect.Estimate), signed(m, m.Effect.Low), signed(m, m.Effect.High))
	}
	return out
}

// Figure writes an estimate of m in its unit, "-" while there is none.
func Figure(m analysis.MetricVerdict, v float64) string {
	if m.StableN == 0 && m.CanaryN == 0 {
		return "-"
	}
	switch m.Effect.Unit {
	case "seconds":
		return fmt.Sprintf("%.3g ms", v*1000)
	case "share", "":
		if m.Kind == analysis.Outcome { // its name is of what is right
			return fmt.Sprintf("%.3g%% wrong", v*100)
		}
		return fmt.Sprintf("%.3g%%", v*100)
	}
	return fmt.Sprintf("%.4g", v)
}

// signed writes a difference.
func signed(m analysis.MetricVerdict, v float64) string {
	switch m.Effect.Unit {
	case "seconds":
		return fmt.Sprintf("%+.3g ms", v*1000)
	case "share", "":
		return fmt.Sprintf("%+.3gpp", v*100)
	}
	return fmt.Sprintf("%+.4g", v)
}

// lasted writes a number of seconds as people read it.
func lasted(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d >= 10*time.Second {
		d = d.Round(time.Second)
	}
	text := d.Round(100 * time.Millisecond).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}
