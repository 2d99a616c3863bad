package rollout_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// ready is an observation in which everything is as it should be.
func ready(s rollout.State, p rollout.Plan, now time.Time) rollout.Observation {
	w := s.Want.Split
	return rollout.Observation{
		Now: now, Plan: p,
		Workloads: map[rollout.Role]rollout.Health{
			traffic.Stable: {Ready: true, Revision: p.Stable.Hash},
			traffic.Canary: {Ready: true, Revision: p.Canary.Hash},
		},
		Traffic: traffic.Observed{Level: traffic.Flowing, Generation: w.Generation, Canary: w.Canary, Mirror: w.Mirror},
	}
}

// climb returns the state of plan p at its first step, traffic flowing.
func climb(t *testing.T, p rollout.Plan) (rollout.State, time.Time) {
	t.Helper()
	var s rollout.State
	now := start
	for range 3 {
		s = checkedNext(t, s, ready(s, p, now)).State
		now = now.Add(time.Second)
	}
	if s.Step != 0 || s.StepBegan.IsZero() {
		t.Fatalf("%s at step %d, began %s: want the first step, flowing", s.Phase, s.Step, s.StepBegan)
	}
	return s, now
}

// promoted returns the state in which v2 has taken the place of v1, and v1 has
// ended.
func promoted(t *testing.T) (rollout.State, time.Time) {
	t.Helper()
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	o := ready(s, p, now)
	o.Commands = []rollout.Command{{ID: "full", Verb: rollout.Promote, Full: true}}
	s = checkedNext(t, s, o).State
	for range 2 {
		now = now.Add(time.Hour)
		s = checkedNext(t, s, ready(s, p, now)).State
	}
	if s.Phase != rollout.Promoted || s.Want.Scale.Stable {
		t.Fatalf("%s, scale %+v: want v2 promoted and v1 ended", s.Phase, s.Want.Scale)
	}
	return s, now
}

func TestStageOf(t *testing.T) {
	p := walkPlan("v1", "v2", 0, 5, -10, 19, 20, -100, 49, 0, 50, 60, 0, 100)
	p.Steps[4].Factor = 6
	p.Steps[9].Factor = 3 // the last gate is strict whatever the file says
	want := []analysis.Stage{
		0:  {Index: -1, Factor: 1},
		1:  {Index: 1, Factor: 4},
		2:  {Index: 1, Factor: 4},
		3:  {Index: 3, Factor: 4},
		4:  {Index: 4, Factor: 6},
		5:  {Index: 5, Factor: 1, Shadow: true},
		6:  {Index: 6, Factor: 2},
		7:  {Index: 6, Factor: 2},
		8:  {Index: 8, Factor: 1},
		9:  {Index: 9, Factor: 1, Last: true},
		10: {Index: 9, Factor: 1, Last: true},
		11: {Index: 11, Factor: 1},
	}
	for i, w := range want {
		if got := rollout.StageOf(rollout.State{Plan: p, Step: i}); got != w {
			t.Errorf("at step %d: %+v, want %+v", i, got, w)
		}
	}
	shadowOnly := rollout.State{Plan: walkPlan("v1", "v2", -100, 0, -100, 100), Step: 2}
	if got := rollout.StageOf(shadowOnly); !got.Last {
		t.Errorf("the last shadow step of a plan without weights is %+v, want the last gate", got)
	}
	unended := rollout.State{Plan: walkPlan("v1", "v2", 20, 50, -100), Step: 1}
	if got := rollout.StageOf(unended); !got.Last || got.Factor != 1 {
		t.Errorf("the last weight of a plan without an end is %+v, want the last gate", got)
	}
	if got := rollout.StageOf(rollout.State{}); got.Index != -1 {
		t.Errorf("no plan: %+v, want no stage", got)
	}
}

// TestNoTrafficBeforeProxiesKnow: what is ready gets its first traffic once those
// who send it can be expected to know where it is, and what had traffic keeps it.
func TestNoTrafficBeforeProxiesKnow(t *testing.T) {
	p := walkPlan("v1", "v2", 50, 100)
	for role, name := range map[rollout.Role]string{traffic.Stable: "stable", traffic.Canary: "canary"} {
		var s rollout.State
		known := start.Add(5 * time.Second)
		late := func(now time.Time) rollout.Observation {
			o := ready(s, p, now)
			h := o.Workloads[role]
			h.Reachable = known
			o.Workloads[role] = h
			return o
		}
		for now := start; now.Before(known); now = now.Add(time.Second) {
			d := checkedNext(t, s, late(now))
			s = d.State
			if d.Want.Split.Canary != 0 {
				t.Fatalf("%s: %s wanted %s before proxies know it", name, d.Want.Split.Canary, known.Sub(now))
			}
			if now.Equal(start) {
				continue // the attempt has just begun
			}
			if want := "Waiting until proxies know the pods of " + name; !strings.HasPrefix(d.Waiting, want) || !d.Wake.Equal(known) {
				t.Errorf("%s: waits for %q until %s, want %q until %s", name, d.Waiting, d.Wake, want, known)
			}
		}
		d := checkedNext(t, s, late(known))
		if s = d.State; d.Want.Split.Canary != 5000 {
			t.Errorf("%s: %s wanted once proxies know it, want 50%%", name, d.Want.Split.Canary)
		}
		known = known.Add(time.Hour) // a pod more
		if d := checkedNext(t, s, late(start.Add(10*time.Second))); d.Want.Split.Canary != 5000 || d.State.Phase != rollout.Progressing {
			t.Errorf("%s: %s at %s, want it to go on at 50%%", name, d.State.Phase, d.Want.Split.Canary)
		}
	}
}

func TestRunsOffTheEnd(t *testing.T) {
	p := walkPlan("v1", "v2", 50)
	s, now := climb(t, p)
	o := ready(s, p, now)
	o.Evidence = &analysis.State{LastBlock: 1}
	o.Verdict = analysis.Verdict{Decision: analysis.Pass, Block: 1}
	d := checkedNext(t, s, o)
	if d.State.Phase != rollout.Promoting || d.Want.Split.Canary != traffic.Full {
		t.Errorf("after its last step: %s at %s, want Promoting at 100%%", d.State.Phase, d.Want.Split.Canary)
	}
}

// A router that claims to carry what was only decided in this very call is not
// believed: its report is older than the decision.
func TestObservationIsOlderThanDecision(t *testing.T) {
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	o := ready(s, p, now)
	o.Traffic = traffic.Observed{Level: traffic.Flowing, Generation: s.Want.Split.Generation + 1, Canary: traffic.Full}
	o.Commands = []rollout.Command{{ID: "full", Verb: rollout.Promote, Full: true}}
	if d := rollout.Next(s, o); d.State.Phase != rollout.Promoting || !o.Traffic.Carries(d.Want.Split) {
		t.Errorf("%s: want Promoting, the router's claim not believed yet", d.State.Phase)
	}
}

// A failure from before a retry does not end the retry, one after it does.
func TestRetrySurvivesOldFailure(t *testing.T) {
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	failed := func(at time.Time, since time.Time) rollout.Observation {
		o := ready(s, p, at)
		o.Workloads[traffic.Canary] = rollout.Health{Failed: true, Revision: p.Canary.Hash, Message: "out of memory", Since: since}
		return o
	}
	s = checkedNext(t, s, failed(now, now)).State
	s = checkedNext(t, s, failed(now.Add(time.Second), now)).State
	if s.Phase != rollout.RolledBack || !strings.Contains(s.Reason, "out of memory") {
		t.Fatalf("%s: %q, want RolledBack for want of memory", s.Phase, s.Reason)
	}
	o := failed(now.Add(2*time.Second), now)
	o.Commands = []rollout.Command{{ID: "r", Verb: rollout.Retry}}
	s = checkedNext(t, s, o).State
	if s = checkedNext(t, s, failed(now.Add(3*time.Second), now)).State; s.Phase != rollout.Initializing {
		t.Errorf("the failure of attempt 1 put attempt %d to %s", s.Attempt, s.Phase)
	}
	again := now.Add(4 * time.Second)
	if s = checkedNext(t, s, failed(again, again)).State; s.Phase == rollout.Initializing {
		t.Errorf("attempt 2 failed, and is still %s", s.Phase)
	}
}

func TestAttemptReachesAnalysis(t *testing.T) {
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	for k := 1; k <= 3; k++ {
		if s.Attempt != k || s.Plan.Analysis.Attempt != k {
			t.Fatalf("attempt %d, of the analysis %d, want %d", s.Attempt, s.Plan.Analysis.Attempt, k)
		}
		for _, v := range []rollout.Verb{rollout.Abort, "", rollout.Retry} {
			now = now.Add(time.Minute)
			o := ready(s, p, now)
			if v != "" {
				o.Commands = []rollout.Command{{ID: fmt.Sprintf("%s-%d", v, k), Verb: v}}
			}
			s = checkedNext(t, s, o).State
		}
	}
}

// What cannot be read leaves what runs alone.
func TestUnreadableFile(t *testing.T) {
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	o := ready(s, p, now)
	o.Plan = rollout.Plan{}
	if d := checkedNext(t, s, o); d.State.Phase != rollout.Progressing || !cmp.Equal(d.State.Plan, s.Plan) {
		t.Errorf("%s by plan %+v, want nothing changed", d.State.Phase, d.State.Plan)
	}
}

func TestAbortWhileStableTakesOver(t *testing.T) {
	s, now := promoted(t)
	next := walkPlan("v2", "v3", 50, 100)
	takesOver := func(stableReady bool) rollout.Observation {
		now = now.Add(time.Second)
		o := ready(s, next, now)
		o.Workloads[traffic.Stable] = rollout.Health{Ready: stableReady, Revision: next.Stable.Hash}
		o.Workloads[traffic.Canary] = rollout.Health{Ready: true, Revision: "hash-of-v2"}
		return o
	}
	s = checkedNext(t, s, takesOver(false)).State
	o := takesOver(false)
	o.Commands = []rollout.Command{{ID: "no", Verb: rollout.Abort, By: "ann"}}
	s = checkedNext(t, s, o).State
	if s.Want.Split.Canary != traffic.Full {
		t.Errorf("giving up v3 took %s off v2 before stable could serve", traffic.Full-s.Want.Split.Canary)
	}
	for range 3 {
		s = checkedNext(t, s, takesOver(true)).State
	}
	if s.Phase != rollout.RolledBack || s.Want.Split.Canary != 0 || s.Want.Scale != (rollout.Scale{Stable: true}) {
		t.Errorf("%s, %s on the canary arm, scale %+v: want v3 ended, stable alone", s.Phase, s.Want.Split.Canary, s.Want.Scale)
	}
}

// The file changes again while stable takes the place of the version promoted
// before: what is waited for is what the file names now.
func TestFileChangesWhileStableTakesOver(t *testing.T) {
	s, now := promoted(t)
	over := func(p rollout.Plan, ready bool) rollout.Observation {
		now = now.Add(time.Second)
		return rollout.Observation{
			Now: now, Plan: p, Traffic: traffic.Observed{Level: traffic.Accepted, Generation: s.Want.Split.Generation, Canary: s.Want.Split.Canary},
			Workloads: map[rollout.Role]rollout.Health{
				traffic.Stable: {Ready: ready, Revision: p.Stable.Hash},
				traffic.Canary: {Ready: true, Revision: "hash-of-v2"},
			},
		}
	}
	s = checkedNext(t, s, over(walkPlan("v2", "v3", 50, 100), false)).State
	s = checkedNext(t, s, over(walkPlan("v2-fixed", "v3", 50, 100), false)).State
	if s.Plan.Stable.Version != "v2-fixed" || s.Want.Split.Canary != traffic.Full {
		t.Fatalf("takes over: %s, %s on the version before; want v2-fixed, and all of it", s.Plan.Stable, s.Want.Split.Canary)
	}
	o := over(walkPlan("v2-fixed", "v3", 50, 100), false)
	o.Evidence, o.Verdict = &analysis.State{LastBlock: 1}, analysis.Verdict{Decision: analysis.Fail, Block: 1}
	if s = checkedNext(t, s, o).State; s.Evidence != nil || s.Phase != rollout.Initializing {
		t.Errorf("%s: requests that v2 answered were taken for evidence of v3", s.Phase)
	}
	if s = checkedNext(t, s, over(walkPlan("v2-fixed", "v3", 50, 100), true)).State; s.Want.Split.Canary != 0 {
		t.Errorf("v2-fixed is ready, and %s is still elsewhere", s.Want.Split.Canary)
	}
}

func TestBounds(t *testing.T) {
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	for i := range 400 {
		o := ready(s, p, now)
		o.Commands = []rollout.Command{
			{ID: fmt.Sprintf("h%d", i), Verb: rollout.Hold}, {ID: fmt.Sprintf("r%d", i), Verb: rollout.Resume},
			{ID: fmt.Sprintf("x%d", i), Verb: "dance"},
		}
		s = rollout.Next(s, o).State
	}
	if len(s.Seen) != 256 || s.Seen[255] != "r399" || len(s.Refused) != 64 || s.Refused[63].ID != "x399" || len(s.Events) != 256 {
		t.Errorf("kept %d commands, %d refusals, %d events: want the newest 256, 64, 256", len(s.Seen), len(s.Refused), len(s.Events))
	}
	for i := range 40 {
		p := walkPlan("v1", fmt.Sprintf("w%d", i), 50, 100)
		for range 3 {
			now = now.Add(time.Hour)
			o := ready(s, p, now)
			o.Commands = []rollout.Command{{ID: now.String(), Verb: rollout.Abort}}
			s = rollout.Next(s, o).State
		}
	}
	if _, kept := s.Retired["hash-of-w0"]; len(s.Retired) != 32 || kept {
		t.Errorf("kept %d revisions, the oldest %v: want the newest 32", len(s.Retired), kept)
	}
	data, err := json.Marshal(s)
	if err != nil || len(data) > 128<<10 {
		t.Errorf("a full state is %d bytes (%v), want at most 128 KiB", len(data), err)
	}
}

func TestDelivered(t *testing.T) {
	s := rollout.State{Events: []rollout.Event{{ID: "a"}, {ID: "b"}, {ID: "c"}}}
	if got := s.Delivered("a", "c", "z").Events; len(got) != 1 || got[0].ID != "b" {
		t.Errorf("kept %+v, want b", got)
	}
	if len(s.Events) != 3 || s.Events[0].ID != "a" {
		t.Errorf("Delivered modified its receiver: %+v", s.Events)
	}
	if got := s.Delivered("a", "b", "c").Events; got != nil {
		t.Errorf("kept %+v, want nothing", got)
	}
}

func TestDeadlineAt(t *testing.T) {
	live := start
	s := rollout.State{
		Phase: rollout.Progressing, Live: live, Excluded: time.Minute,
		Plan: rollout.Plan{MaxDuration: time.Hour, Steps: []rollout.Step{{Weight: 500}, {Pause: &rollout.Pause{}}}},
	}
	if got, want := s.DeadlineAt(), live.Add(61*time.Minute); !got.Equal(want) {
		t.Errorf("deadline at %s, want %s", got, want)
	}
	for what, change := range map[string]func(*rollout.State){
		"promoting":       func(s *rollout.State) { s.Phase = rollout.Promoting },
		"no limit":        func(s *rollout.State) { s.Plan.MaxDuration = 0 },
		"no traffic yet":  func(s *rollout.State) { s.Live = time.Time{} },
		"held":            func(s *rollout.State) { s.Phase, s.HeldBy = rollout.Paused, "ann" },
		"waits for a yes": func(s *rollout.State) { s.Phase, s.Step = rollout.Paused, 1 },
	} {
		c := s
		change(&c)
		if got := c.DeadlineAt(); !got.IsZero() {
			t.Errorf("%s: deadline at %s, want none", what, got)
		}
	}
}

func TestValidate(t *testing.T) {
	good := rollout.State{
		Version: 1, Phase: rollout.Progressing, Attempt: 1, Plan: walkPlan("v1", "v2", 5, 100),
	}
	for what, c := range map[string]struct {
		change func(*rollout.State)
		want   error
	}{
		"zero":             {func(s *rollout.State) { *s = rollout.State{} }, nil},
		"idle":             {func(s *rollout.State) { *s = rollout.State{Version: 1, Phase: rollout.Idle} }, nil},
		"good":             {func(*rollout.State) {}, nil},
		"past the end":     {func(s *rollout.State) { s.Step = 2 }, nil},
		"newer":            {func(s *rollout.State) { s.Version = rollout.StateVersion + 1 }, rollout.ErrNewer},
		"negative version": {func(s *rollout.State) { s.Version = -1 }, rollout.ErrDamaged},
		"unknown phase":    {func(s *rollout.State) { s.Phase = "Dancing" }, rollout.ErrDamaged},
		"no attempt":       {func(s *rollout.State) { s.Attempt = 0 }, rollout.ErrDamaged},
		"no revision":      {func(s *rollout.State) { s.Plan.Canary = rollout.Revision{} }, rollout.ErrDamaged},
		"step":             {func(s *rollout.State) { s.Step = 3 }, rollout.ErrDamaged},
		"negative step":    {func(s *rollout.State) { s.Step = -1 }, rollout.ErrDamaged},
		"excluded":         {func(s *rollout.State) { s.Excluded = -1 }, rollout.ErrDamaged},
		"weight":           {func(s *rollout.State) { s.Want.Split.Canary = traffic.Full + 1 }, rollout.ErrDamaged},
		"mirror":           {func(s *rollout.State) { s.Want.Split.Mirror = -1 }, rollout.ErrDamaged},
		"planned weight":   {func(s *rollout.State) { s.Plan.Steps[0].Weight = -1 }, rollout.ErrDamaged},
	} {
		s := roundTrip(t, good)
		c.change(&s)
		if err := s.Validate(); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}

func TestRevisionString(t *testing.T) {
	for want, r := range map[string]rollout.Revision{
		"v2": revision("v2"), "0123456789ab": {Hash: "0123456789abcdef"}, "abc": {Hash: "abc"}, "(none)": {},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v is called %q, want %q", r, got, want)
		}
	}
}
