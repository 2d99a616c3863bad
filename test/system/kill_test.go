package system

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/store/file"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// moment is when a life is ended by kill -9: a while after an event or after a
// number of blocks, whichever comes first.
type moment struct {
	events []rollout.EventKind
	blocks int
	after  time.Duration
}

// come reports whether x is what the moment waits for.
func (m *moment) come(x line) bool {
	if x.Block != nil {
		m.blocks--
	}
	return m.blocks == 0 || x.Event != nil && slices.Contains(m.events, x.Event.Kind)
}

// moments are where the killings of one rollout fall: the same for a seed.
func moments(seed uint64) []moment {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := []moment{
		{blocks: 1},
		{events: []rollout.EventKind{rollout.EventReady}, blocks: 3},
		{events: []rollout.EventKind{rollout.EventStep}, blocks: 3},
		{blocks: 1 + rng.IntN(3)}, {blocks: 2 + rng.IntN(3)}, {blocks: 3 + rng.IntN(6)},
		{events: []rollout.EventKind{rollout.EventStep}, blocks: 4 + rng.IntN(8)},
		{events: []rollout.EventKind{rollout.EventRollback, rollout.EventPromoting}, blocks: -1},
		{events: []rollout.EventKind{rollout.EventRolledBack, rollout.EventPromoted}, blocks: -1},
	}
	for i := range out {
		out[i].after = time.Duration(rng.IntN(100)) * time.Millisecond
	}
	return out
}

// story is what all lives of one rollout said, and what was found between them.
type story struct {
	t      *testing.T
	state  string
	killed int
	weight traffic.Weight // the highest that was wanted so far
	moved  bool           // this life has left the weight it found
	counts evidence       // that the last saved state held
}

// evidence counts what a saved state took in, per arm.
type evidence struct{ stable, canary int64 }

// saved reads the state that a killed program left.
func (s *story) saved() rollout.State {
	s.t.Helper()
	db, err := file.Open(s.state, file.Options{})
	if err != nil {
		s.t.Fatalf("the state file after kill -9: %v", err)
	}
	defer func() { _ = db.Close() }()
	st, _, err := db.Load(s.t.Context(), "strangers")
	if err != nil {
		s.t.Fatalf("the state after kill -9: %v", err)
	}
	return st
}

func counted(st rollout.State) (e evidence) {
	if st.Evidence != nil && len(st.Evidence.Metrics) > 0 {
		e.stable, e.canary = st.Evidence.Metrics[0].StableN, st.Evidence.Metrics[0].CanaryN
	}
	return e
}

// heard checks one line of a life. found is the state at its start; first says
// that no status came before.
func (s *story) heard(x line, found rollout.State, first bool) {
	s.t.Helper()
	st := x.Status
	if st == nil {
		return
	}
	if first && st.Observed.Canary != found.Want.Split.Canary {
		s.t.Errorf("after a restart the gateway carried %s, and %s was decided", st.Observed.Canary, found.Want.Split.Canary)
	}
	s.moved = s.moved || st.Wanted.Canary != found.Want.Split.Canary
	switch st.Phase {
	case rollout.RollingBack, rollout.RolledBack:
		if st.Wanted.Canary != 0 {
			s.t.Errorf("%s, and %s wanted", st.Phase, st.Wanted.Canary)
		}
	default:
		if st.Wanted.Canary < s.weight {
			s.t.Errorf("the weight fell from %s to %s without a rollback", s.weight, st.Wanted.Canary)
		}
		s.weight = st.Wanted.Canary
	}
}

// live runs the program once, until the moment or to its end.
func (s *story) live(l *life, m *moment, d *load, found rollout.State) (ended bool, code int) {
	s.t.Helper()
	first := true
	for {
		x, ok := l.next()
		if !ok {
			text := l.end()
			if c := l.cmd.ProcessState.ExitCode(); c == 0 || c == 3 {
				return true, c
			}
			s.t.Fatalf("the program failed: %s", text)
		}
		if x.Addresses != nil {
			d.to(x.Addresses.Gateway)
		}
		s.heard(x, found, first)
		first = first && x.Status == nil
		if m != nil && m.come(x) {
			time.Sleep(m.after) // what it does meanwhile is what is tested, whatever that is
			l.kill()
			s.killed++
			return false, 0
		}
	}
}

// TestKill ends the program by force again and again while clients send
// requests: each time it goes on where it was, and nothing is counted twice.
func TestKill(t *testing.T) {
	seeds := uint64(2)
	if testing.Short() {
		seeds = 1
	}
	for _, tc := range []struct {
		name    string
		failing int
		code    int
		phase   rollout.Phase
	}{
		{"a good candidate", 0, 0, rollout.Promoted},
		{"a bad candidate", 25, 3, rollout.RolledBack},
	} {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s, %d", tc.name, seed), func(t *testing.T) {
				t.Parallel()
				stable, canary := newModel(t, 0), newModel(t, tc.failing)
				s := &story{t: t, state: filepath.Join(t.TempDir(), "state.db")}
				code := s.play(write(t, document(at(stable), at(canary))), stable, canary, seed)
				if code != tc.code {
					t.Errorf("it ended with exit code %d, want %d", code, tc.code)
				}
				end := s.saved()
				if end.Phase != tc.phase || !end.Phase.Terminal() {
					t.Errorf("it ended %s (%s), want %s", end.Phase, end.Reason, tc.phase)
				}
				if s.killed < 3 {
					t.Errorf("killed %d times only", s.killed)
				}
				s.journal(stable, canary)
				t.Logf("killed %d times; evidence %+v; served %d and %d", s.killed, s.counts, stable.served.Load(), canary.served.Load())
			})
		}
	}
}

// play lives until the rollout has ended and returns the exit code.
func (s *story) play(document string, stable, canary *model, seed uint64) int {
	s.t.Helper()
	d := drive(s.t)
	all := moments(seed)
	var found rollout.State
	for {
		var m *moment
		if len(all) > 0 {
			m, all = &all[0], all[1:]
		}
		before := evidence{stable.served.Load(), canary.served.Load()}
		s.moved = false
		ended, code := s.live(start(s.t, document, s.state), m, d, found)
		after := evidence{stable.served.Load(), canary.served.Load()}
		served := evidence{after.stable - before.stable, after.canary - before.canary}
		now := s.saved()
		s.gained(found, now, served)
		if !s.moved && now.Want.Split.Canary == found.Want.Split.Canary {
			s.split(now.Want.Split.Canary, served)
		}
		found = now
		if ended {
			return code
		}
	}
}

// gained checks what one life took in as evidence beside what was served in it.
func (s *story) gained(before, after rollout.State, served evidence) {
	s.t.Helper()
	a, b := counted(before), counted(after)
	s.counts = b
	if b.stable-a.stable > served.stable || b.canary-a.canary > served.canary {
		s.t.Errorf("one life served %+v, and its evidence went from %+v to %+v", served, a, b)
	}
	if b.stable < a.stable || b.canary < a.canary {
		s.t.Errorf("evidence was forgotten: %+v after %+v", b, a)
	}
	if e, f := before.Evidence, after.Evidence; e != nil && f != nil && f.LastBlock < e.LastBlock {
		s.t.Errorf("blocks went back from %d to %d", e.LastBlock, f.LastBlock)
	}
}

// split checks what was served in a life that never left one weight.
func (s *story) split(w traffic.Weight, served evidence) {
	s.t.Helper()
	all, p := float64(served.stable+served.canary), w.Share()
	// Six standard deviations, and what was under way at the killing before.
	if off := math.Abs(float64(served.canary) - all*p); off > 6*math.Sqrt(all*p*(1-p))+clients {
		s.t.Errorf("at %s the canary answered %d of %.0f requests", w, served.canary, all)
	}
}

// journal checks the blocks of all lives: in order, none twice, and no more
// requests than were served.
func (s *story) journal(stable, canary *model) {
	s.t.Helper()
	db, err := file.Open(s.state, file.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	records, err := db.Read(s.t.Context(), "strangers", store.BlockRecord, 100000)
	if err != nil {
		s.t.Fatal(err)
	}
	var total evidence
	var last engine.Block
	for _, r := range records {
		b := decode[engine.Block](s.t, r.Data)
		if b.Block <= last.Block || b.Start.Before(last.End) {
			s.t.Errorf("block %d (from %s) follows block %d (to %s)", b.Block, b.Start, last.Block, last.End)
		}
		last = b
		n := evidence{b.Arms["stable"].Requests, b.Arms["canary"].Requests}
		total = evidence{total.stable + n.stable, total.canary + n.canary}
	}
	if total.stable > stable.served.Load() || total.canary > canary.served.Load() || total.canary == 0 {
		s.t.Errorf("the blocks hold %+v requests, and %d and %d were served", total, stable.served.Load(), canary.served.Load())
	}
}

// TestKillCountsLabelsOnce is the same with labels, which are on disk: what was
// taken before a killing is judged after it, once.
func TestKillCountsLabelsOnce(t *testing.T) {
	for _, tc := range []struct {
		name  string
		wrong bool
		code  int
	}{{"a good candidate", false, 0}, {"a wrong candidate", true, 3}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(document(at(newModel(t, 0)), at(newModel(t, 0))),
				"{name: errors, errorRate: {maxIncrease: 10pp}}", "{name: accuracy, outcome: {maxDecrease: 20pp, maturity: 300ms}}", 1)
			var n atomic.Int64
			d := driveLabelled(t, func(version string) string {
				if tc.wrong && version == "v2" && n.Add(1)%2 == 0 {
					return "no"
				}
				return "yes"
			})
			s := &story{t: t, state: filepath.Join(t.TempDir(), "state.db")}
			name, all := write(t, text), moments(7)
			var found rollout.State
			for {
				var m *moment
				if len(all) > 0 {
					m, all = &all[0], all[1:]
				}
				ended, code := s.live(start(t, name, s.state), m, d, found)
				found = s.saved()
				got := counted(found)
				sent := evidence{d.labelled("v1"), d.labelled("v2")}
				if got.stable > sent.stable || got.canary > sent.canary {
					t.Errorf("labels of %+v predictions were sent, and %+v are evidence", sent, got)
				}
				if ended {
					if code != tc.code || got.canary == 0 {
						t.Errorf("exit code %d (%s), evidence %+v; want %d", code, found.Reason, got, tc.code)
					}
					t.Logf("killed %d times; evidence %+v of %+v", s.killed, got, sent)
					return
				}
			}
		})
	}
}
