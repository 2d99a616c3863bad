package rollout_test

import (
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// short is ready where one role lacks room for a share.
func short(s rollout.State, p rollout.Plan, now time.Time, r rollout.Role, by traffic.Weight) rollout.Observation {
	o := ready(s, p, now)
	h := o.Workloads[r]
	h.Short = by
	o.Workloads[r] = h
	return o
}

func passes(s rollout.State, o rollout.Observation) rollout.Observation {
	block := s.FirstBlock + 1
	o.Evidence = &analysis.State{LastBlock: block}
	o.Verdict = analysis.Verdict{Decision: analysis.Pass, Block: block, Stage: rollout.StageOf(s)}
	return o
}

func wantRoom(t *testing.T, s rollout.State, weight, room traffic.Weight) {
	t.Helper()
	if got := s.Want; got.Split.Canary != weight || got.Scale.Room != room {
		t.Fatalf("%s: weight %s with room for %s wanted, want %s with room for %s", s.Phase, got.Split.Canary, got.Scale.Room, weight, room)
	}
}

func TestNoTrafficBeforeThereIsRoom(t *testing.T) {
	p := walkPlan("v1", "v2", 25, 50, 100)
	s, now := climb(t, p)
	wantRoom(t, s, 2500, 2500)
	d := checkedNext(t, s, passes(s, short(s, p, now, traffic.Canary, 7500)))
	s = d.State
	wantRoom(t, s, 2500, 5000)
	if d.Waiting == "" || s.Step != 0 {
		t.Errorf("step %d, waits for %q", s.Step, d.Waiting)
	}
	s = checkedNext(t, s, short(s, p, now.Add(time.Second), traffic.Canary, 5000)).State
	wantRoom(t, s, 5000, 5000)
	if s.Step != 1 {
		t.Errorf("step %d, want 1", s.Step)
	}
}

func TestCandidateStartsWithRoomForTheFirstStep(t *testing.T) {
	p := walkPlan("v1", "v2", 25, 100)
	var s rollout.State
	for i := range 3 {
		s = checkedNext(t, s, short(s, p, start.Add(time.Duration(i)*time.Second), traffic.Canary, 9000)).State
	}
	wantRoom(t, s, 0, 2500)
	if s.Phase != rollout.Initializing || s.Want.Scale.Revision != p.Canary.Hash {
		t.Errorf("%s, %+v", s.Phase, s.Want.Scale)
	}
}

func TestSkippedEvidenceSkipsNoRoom(t *testing.T) {
	p := walkPlan("v1", "v2", 25, 100)
	s, now := climb(t, p)
	o := short(s, p, now, traffic.Canary, 7500)
	o.Commands = []rollout.Command{{ID: "full", Verb: rollout.Promote, Full: true}}
	s = checkedNext(t, s, o).State
	wantRoom(t, s, 2500, traffic.Full)
	s = checkedNext(t, s, ready(s, p, now.Add(time.Second))).State
	wantRoom(t, s, traffic.Full, traffic.Full)
	s = checkedNext(t, s, ready(s, p, now.Add(2*time.Second))).State
	if s.Phase != rollout.Promoted {
		t.Errorf("%s, want Promoted", s.Phase)
	}
}

// aborted returns a rollout at 50%, just aborted, with stable short of room.
func aborted(t *testing.T, by traffic.Weight) (rollout.State, rollout.Plan, time.Time) {
	t.Helper()
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	o := short(s, p, now, traffic.Stable, by)
	o.Commands = []rollout.Command{{ID: "abort", Verb: rollout.Abort}}
	return checkedNext(t, s, o).State, p, now
}

func TestRollbackGoesWhereThereIsRoom(t *testing.T) {
	s, p, now := aborted(t, 3000)
	wantRoom(t, s, 3000, 5000)
	// The arm shrinks once the traffic has, and what is short shrinks with it.
	s = checkedNext(t, s, short(s, p, now.Add(time.Second), traffic.Stable, 3000)).State
	wantRoom(t, s, 3000, 3000)
	s = checkedNext(t, s, short(s, p, now.Add(2*time.Second), traffic.Stable, 1000)).State
	wantRoom(t, s, 1000, 3000)
	// More than is kept never goes back to the candidate.
	s = checkedNext(t, s, short(s, p, now.Add(3*time.Second), traffic.Stable, 9000)).State
	wantRoom(t, s, 1000, 1000)
	s = checkedNext(t, s, ready(s, p, now.Add(4*time.Second))).State
	wantRoom(t, s, 0, 1000)
	s = checkedNext(t, s, ready(s, p, now.Add(5*time.Second))).State
	if s.Phase != rollout.RolledBack {
		t.Errorf("%s, want RolledBack", s.Phase)
	}
}

func TestRollbackDoesNotWaitForEver(t *testing.T) {
	s, p, now := aborted(t, 3000)
	for range 30 {
		now = now.Add(30 * time.Second)
		s = checkedNext(t, s, short(s, p, now, traffic.Stable, 3000)).State
	}
	if s.Phase != rollout.RolledBack || s.Want.Split.Canary != 0 {
		t.Errorf("%s at %s: stable never had room, and the candidate is still served", s.Phase, s.Want.Split.Canary)
	}
}

func TestRollbackOfADeadCandidateIsAtOnce(t *testing.T) {
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	o := short(s, p, now.Add(time.Second), traffic.Stable, 3000)
	o.Workloads[traffic.Canary] = rollout.Health{Failed: true, Revision: p.Canary.Hash, Message: "exit 1"}
	s = checkedNext(t, s, o).State
	wantRoom(t, s, 0, 5000)
}

func TestHandOverGoesWhereThereIsRoom(t *testing.T) {
	s, now := promoted(t)
	p := walkPlan("v2", "v2", 50, 100)
	step := func(by traffic.Weight) {
		t.Helper()
		now = now.Add(time.Second)
		s = checkedNext(t, s, short(s, p, now, traffic.Stable, by)).State
	}
	step(5000)
	wantRoom(t, s, 5000, traffic.Full)
	if !s.Want.Scale.Promoted || s.Want.Scale.Revision != p.Canary.Hash {
		t.Errorf("scale %+v", s.Want.Scale)
	}
	step(5000)
	wantRoom(t, s, 5000, 5000)
	step(0)
	wantRoom(t, s, 0, 5000)
	step(0)
	if s.Serving != "" || s.Want.Scale != (rollout.Scale{Stable: true, Draining: true}) {
		t.Errorf("serving %q, scale %+v", s.Serving, s.Want.Scale)
	}
}

func TestIdleEndsNothingBeforeItsTrafficHasLeft(t *testing.T) {
	p := walkPlan("v1", "v1", 50, 100)
	p.ScaleDown = time.Minute
	var s rollout.State
	next := func(after time.Duration, level traffic.Level) bool {
		t.Helper()
		o := ready(s, p, start.Add(after))
		o.Traffic.Level = level
		s = checkedNext(t, s, o).State
		return s.Want.Scale.Draining
	}
	if !next(0, traffic.Written) || !next(time.Hour, traffic.Unknown) {
		t.Error("the canary arm may end before the router confirms that it has no traffic")
	}
	if !next(time.Hour+time.Second, traffic.Accepted) || !next(time.Hour+30*time.Second, traffic.Accepted) {
		t.Error("the canary arm may end before the delay has passed")
	}
	if next(time.Hour+2*time.Minute, traffic.Accepted) {
		t.Error("the canary arm drains for ever")
	}
}

func TestGoingBackToAVersionThatWasPromotedOnce(t *testing.T) {
	s, now := promoted(t) // v2 over v1
	for i, p := range []rollout.Plan{walkPlan("v2", "v2", 50, 100), walkPlan("v3", "v3", 50, 100), walkPlan("v3", "v2", 50, 100)} {
		for range 4 {
			now = now.Add(time.Minute)
			s = checkedNext(t, s, ready(s, p, now)).State
		}
		if i == 2 && s.Phase != rollout.Progressing {
			t.Errorf("%s: v2, once promoted over v1, is not compared with v3: %s", s.Phase, s.Reason)
		}
	}
}

func TestLostRoomHolds(t *testing.T) {
	p := walkPlan("v1", "v2", 50, 100)
	s, now := climb(t, p)
	d := checkedNext(t, s, passes(s, short(s, p, now, traffic.Canary, 7500)))
	if d.State.Phase != rollout.Progressing || len(d.Events) != 1 || d.Events[0].Kind != rollout.EventHeld {
		t.Errorf("%s, %+v: a candidate with half the pods that its traffic needs goes on", d.State.Phase, d.Events)
	}
}
