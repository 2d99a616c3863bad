package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/report"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestWriteStatus(t *testing.T) {
	s := climbing("Waiting for evidence: too few")
	s.Attempt, s.Wanted.Canary = 2, traffic.Percent(60)
	s.Deadline = noon.Add(90 * time.Minute)
	s.Warnings = []string{"The disk is full"}
	s.Signals = []rollout.Signal{
		{Name: "check golden", Effect: rollout.SignalHold, Message: "failed (1 of 3 in a row)"},
		{Name: "check told", Effect: rollout.SignalHold, Message: "too few"}, {Name: "load", Effect: rollout.SignalWarn, Message: "slow"},
	}
	most, depth := 100., 120.5
	s.Watches = []engine.Watch{
		{Kind: engine.WatchGuardrail, Name: "queue", State: engine.WatchFailing, Effect: rollout.SignalRollback, DryRun: true, Value: &depth, Max: &most, Says: "is deep"},
		{Kind: engine.WatchSwitch, Name: "the flag a", State: engine.WatchUnknown},
	}
	s.Links = map[string]string{"gateway": "http://g", "preview": "http://p", "flag": "http://f", "dashboard": "http://d"}
	s.Workloads = map[string]rollout.Health{"stable": {Ready: true}, "canary": {Message: "not ready: nothing listens"}}
	s.Labels = map[string]engine.Coverage{"stable": {Predicted: 90, Labelled: 60, Wrong: 6}}
	s.Verdict.Metrics[1].Decision, s.Verdict.Metrics[1].Reason = analysis.Pass, "latency: fast enough"
	var out bytes.Buffer
	if err := writeStatus(&out, s); err != nil {
		t.Fatal(err)
	}
	want := `Rollout    churn: v2 is to replace v1, attempt 2
Phase      Progressing, step 2/3
Traffic    50% to v2 (60% wanted)
Waiting    for evidence: too few
Deadline   ` + s.Deadline.Format("2006-01-02 15:04:05") + `, in 1h30m0s
Warning    The disk is full
Hold       check golden: failed (1 of 3 in a row)
Gateway    http://g
Flag       http://f
Preview    http://p
Dashboard  http://d
Stable v1  ready; 100 requests, 1 failed; labels for 60 of 90 predictions, 6 wrong
Canary v2  not ready: nothing listens; 90 requests, 2 failed

WATCHED            STATE    READING  LIMITS   EFFECT              SAYS
guardrail queue    Failing  120.5    max 100  Rollback (dry run)  is deep
switch the flag a  Unknown  -        -        -                   -

METRIC   VERDICT       STABLE  CANARY  NO WORSE         WORSE            COUNTED
errors   Inconclusive  1%      1.5%    █████░░░░░  50%  ░░░░░░░░░░   0%  90, 80
latency  Pass          4.2 ms  5 ms    ██████████ 100%  ░░░░░░░░░░   0%  90, 80

latency: fast enough
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestRequests(t *testing.T) {
	if got := requests(engine.Totals{Requests: 1}); got != "1 request, 0 failed" {
		t.Error(got)
	}
}

func TestWriteStatusOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := writeStatus(&out, &engine.Status{Name: "a", Phase: rollout.Idle}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), " Idle\n") || strings.Contains(out.String(), "METRIC") {
		t.Errorf("printed\n%s", out.String())
	}
}

func TestWriteStatusOfAShadow(t *testing.T) {
	s := climbing("")
	s.Strategy = rollout.StrategyShadow
	var out bytes.Buffer
	if err := writeStatus(&out, s); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "churn: v2 is to be compared with v1, which users see\n") {
		t.Errorf("printed\n%s", out.String())
	}
}

func TestWriteList(t *testing.T) {
	var out bytes.Buffer
	if err := writeList(&out, []engine.Status{*climbing(""), {Name: "b", Phase: rollout.Idle}}); err != nil {
		t.Fatal(err)
	}
	want := `NAME   PHASE        STEP  TRAFFIC  VERDICT       STABLE  CANARY
churn  Progressing  2/3   50%      Inconclusive  v1      v2
b      Idle         -     0%       -             (none)  (none)
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestMeasured(t *testing.T) {
	of := func(kind analysis.Kind, unit string) analysis.MetricVerdict {
		return analysis.MetricVerdict{Kind: kind, CanaryN: 1, Effect: analysis.Effect{Unit: unit}}
	}
	for _, tc := range []struct {
		m    analysis.MetricVerdict
		v    float64
		want string
	}{
		{analysis.MetricVerdict{}, 0.5, "-"},
		{of(analysis.ErrorRate, "share"), 0.0123, "1.23%"},
		{of(analysis.Outcome, "share"), 0.2, "20% wrong"},
		{of(analysis.Latency, "seconds"), 0.0005, "0.5 ms"},
		{of(analysis.Mean, "value"), 12.34567, "12.35"},
	} {
		if got := report.Figure(tc.m, tc.v); got != tc.want {
			t.Errorf("%s %v: %q, want %q", tc.m.Kind, tc.v, got, tc.want)
		}
	}
}
