package analysis

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts replays testdata/*.txt: a rollout's metrics as JSON, then blocks
// of counts, and shows the verdict after them as a person would read it. Rewrite
// the expectations with go test -rewrite, and only if every change is understood.
//
//	rollout [warmup=90s] [plain]   metrics, one JSON object a line
//	blocks [count=N] [step=N] [factor=F] [last] [shadow] [weight=W]
//	  measures by name, as JSON, taken in N times
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		var play transcript
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "rollout":
				return play.rollout(t, d)
			case "blocks":
				return play.blocks(t, d)
			default:
				t.Fatalf("%s: no command %q", d.Pos, d.Cmd)
				return ""
			}
		})
	})
}

type transcript struct {
	cfg   Config
	state State
	next  int64
	stage Stage
	share float64
}

func (p *transcript) rollout(t *testing.T, d *datadriven.TestData) string {
	*p = transcript{share: .05, stage: Stage{Factor: 1}, cfg: Config{
		FalseRollback: .01, FalsePromotion: .05, MaxDuration: 2 * time.Hour,
		Interval: 15 * time.Second, SRM: .001, Dispersion: !d.HasArg("plain"),
	}}
	var warmup string
	scan(t, d, "warmup", &warmup)
	if warmup != "" {
		w, err := time.ParseDuration(warmup)
		if err != nil {
			t.Fatal(err)
		}
		p.cfg.Warmup = w
	}
	dec := json.NewDecoder(strings.NewReader(d.Input))
	dec.DisallowUnknownFields()
	for dec.More() {
		var m Metric
		if err := dec.Decode(&m); err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
		p.cfg.Metrics = append(p.cfg.Metrics, m)
	}
	return "ok\n"
}

func (p *transcript) blocks(t *testing.T, d *datadriven.TestData) string {
	count := int64(1)
	scan(t, d, "count", &count)
	scan(t, d, "step", &p.stage.Index)
	scan(t, d, "factor", &p.stage.Factor)
	scan(t, d, "weight", &p.share)
	p.stage.Last, p.stage.Shadow = d.HasArg("last"), d.HasArg("shadow")
	var v Verdict
	for range count {
		x := at(p.next, Measure{})
		x.Stage, x.Weight, x.Metrics = p.stage, p.share, nil
		if err := json.Unmarshal([]byte(d.Input), &x.Metrics); err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
		p.next++
		p.state, v = Step(p.cfg, p.state, x)
	}
	return show(v)
}

// scan reads an argument if it is given.
func scan(t *testing.T, d *datadriven.TestData, key string, into any) {
	t.Helper()
	if !d.HasArg(key) {
		return
	}
	var text string
	d.ScanArgs(t, key, &text)
	if _, err := fmt.Sscan(text, into); err != nil {
		t.Fatalf("%s: %s=%s: %v", d.Pos, key, text, err)
	}
}

// show writes a verdict and the evidence of each metric.
func show(v Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at block %d: %s\n", v.Decision, v.Block, v.Reason)
	for _, m := range v.Metrics {
		fmt.Fprintf(&b, "  %s: %s, rollback %.2f of %.2f, promotion %.2f of %.2f, %d against %d\n",
			m.Name, m.Decision, m.LogRollback, m.RollbackThreshold, m.LogPromotion, m.PromotionThreshold, m.CanaryN, m.StableN)
		fmt.Fprintf(&b, "    %+.4g %s [%.4g, %.4g], margin %.4g\n",
			m.Effect.Estimate, m.Effect.Unit, m.Effect.Low, m.Effect.High, m.Effect.Margin)
	}
	return b.String()
}
