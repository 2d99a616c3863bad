package rollout_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// ending is what must not depend on crashes.
type ending struct {
	Phase    rollout.Phase
	Reason   string
	Attempt  int
	Step     int
	Want     rollout.Desired
	Carried  traffic.Split
	Runs     bool
	Seen     []string
	Told     []rollout.EventKind
	Obeyed   int
	Sequence bool // the saved state is the one in memory
}

func (w *world) ending() ending {
	var told []rollout.EventKind
	for _, k := range w.told {
		if k != rollout.EventHeld { // a router that was lost is worth a word, and only then
			told = append(told, k)
		}
	}
	s := w.memory
	return ending{
		Phase: s.Phase, Reason: s.Reason, Attempt: s.Attempt, Step: s.Step, Want: s.Want,
		Carried: w.carried, Runs: w.runs, Seen: s.Seen, Told: told, Obeyed: len(s.Seen),
		Sequence: s.Sequence == w.stored.Sequence,
	}
}

// run plays the world to its end, crashing at the places given by turn.
func (w *world) run(crashes map[int]where) ending {
	const patience = 600
	for i := range patience {
		at, crashing := crashes[i]
		if !crashing {
			at = places
		}
		if !w.tick(at) {
			w.crash()
		} else if w.over() {
			return w.ending()
		}
	}
	w.t.Fatalf("no end after %d turns: %s at step %d, %+v", patience, w.memory.Phase, w.memory.Step, w.memory.Want)
	return ending{}
}

var everyGate = []rollout.Confirm{
	{Kind: rollout.ConfirmStart, Name: "golden"}, {Kind: rollout.ConfirmStart, Name: "owner"},
	{Kind: rollout.ConfirmStep, Name: "owner"}, {Kind: rollout.ConfirmPromotion, Name: "owner"},
}

func drawWorld(t *rapid.T) (rollout.Plan, script) {
	n := rapid.IntRange(1, 4).Draw(t, "steps")
	var steps []int
	weight := 0
	for range n {
		switch rapid.SampledFrom([]string{"weight", "weight", "pause", "timed", "shadow"}).Draw(t, "step") {
		case "weight":
			weight += rapid.IntRange(1, 20).Draw(t, "more")
			steps = append(steps, weight)
		case "pause":
			steps = append(steps, 0)
		case "timed":
			steps = append(steps, -1)
		case "shadow":
			steps = append(steps, -100)
		}
	}
	steps = append(steps, 90, 100) // a last gate in any case
	plan := walkPlan("v1", "v2", steps...)
	if rapid.Bool().Draw(t, "reports") {
		plan = reporting(walkPlan("v1", "v2", steps[:len(steps)-1]...))
	}
	if rapid.Bool().Draw(t, "takes time") {
		plan.Steps[len(steps)-2].For = time.Minute
		plan.Steps[0].Preview = plan.Steps[0].Shadow > 0
	}
	if rapid.Bool().Draw(t, "gates") {
		plan.Confirm = everyGate
	}
	play := script{
		RouterDelay: rapid.IntRange(0, 3).Draw(t, "router delay"),
		WarmUp:      rapid.IntRange(0, 4).Draw(t, "warm-up"),
		RouterLost:  rapid.Bool().Draw(t, "router lost"),
		Bad:         rapid.IntRange(-1, len(steps)-2).Draw(t, "bad step"),
		AbortAt:     rapid.IntRange(-3, len(steps)-2).Draw(t, "abort at"),
		Retries:     rapid.IntRange(0, 1).Draw(t, "retries"),
		Refusals:    rapid.IntRange(0, 2).Draw(t, "refusals"),
		Alarm:       rapid.Bool().Draw(t, "alarm"),
	}
	if at := rollout.StageOf(rollout.State{Plan: plan, Step: max(play.AbortAt, 0)}); at.Index == play.Bad {
		play.AbortAt = -1 // a race between a person and the evidence has two right ends
	}
	for range steps {
		play.Blocks = append(play.Blocks, rapid.IntRange(1, 4).Draw(t, "blocks"))
	}
	return plan, play
}

// TestCrashesConverge: whatever crashes, after any decision, Save or Apply,
// the rollout comes to the end it would have come to, people are obeyed once,
// and every event is told once.
func TestCrashesConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan, play := drawWorld(rt)
		calm := newWorld(rt, plan, play).run(nil)
		crashes := map[int]where{}
		for range rapid.IntRange(1, 20).Draw(rt, "crashes") {
			turn := rapid.IntRange(0, 120).Draw(rt, "turn")
			crashes[turn] = where(rapid.IntRange(0, int(places)-1).Draw(rt, "where"))
		}
		if diff := cmp.Diff(calm, newWorld(rt, plan, play).run(crashes)); diff != "" {
			rt.Fatalf("crashes %v changed the end (-without +with):\n%s", crashes, diff)
		}
	})
}

// TestCrashAtEveryPlace crashes once, at every place of every turn of one
// rollout that has everything in it.
func TestCrashAtEveryPlace(t *testing.T) {
	plan := walkPlan("v1", "v2", -100, 5, 0, 30, -1, 60, 100)
	for name, play := range map[string]script{
		"promoted":         {RouterDelay: 1, WarmUp: 2, Bad: -1, AbortAt: -1},
		"fails, retried":   {RouterDelay: 2, WarmUp: 1, Bad: 3, AbortAt: -1, Retries: 1, RouterLost: true},
		"alarmed, retried": {WarmUp: 1, Bad: 3, AbortAt: -1, Retries: 1, Alarm: true, Refusals: 1},
		"aborted in pause": {Bad: -1, AbortAt: 2, Retries: 1, RouterLost: true},
	} {
		t.Run(name, func(t *testing.T) {
			play.Blocks = []int{2, 2, 0, 1, 0, 3, 0}
			plan := plan
			if play.Refusals > 0 {
				plan.Confirm = everyGate
			}
			undisturbed := newWorld(t, plan, play)
			calm := undisturbed.run(nil)
			for turn := range undisturbed.turns {
				for at := range places {
					got := newWorld(t, plan, play).run(map[int]where{turn: at})
					if diff := cmp.Diff(calm, got); diff != "" {
						t.Fatalf("a crash in turn %d at place %d changed the end (-without +with):\n%s", turn, at, diff)
					}
				}
			}
		})
	}
}
