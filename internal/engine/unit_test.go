package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestSlowSubscriberKeepsTheNewest(t *testing.T) {
	var s subscribers
	slow, end := s.subscribe()
	quick, endQuick := s.subscribe()
	const n = 3 * backlog
	got := 0
	for i := range n {
		s.publish(Update{Block: &Block{Block: int64(i)}})
		if u := <-quick; u.Block.Block == int64(i) {
			got++
		}
	}
	if got != n {
		t.Errorf("a quick subscriber got %d of %d updates", got, n)
	}
	for i := n - backlog; i < n; i++ {
		if u := <-slow; u.Block.Block != int64(i) {
			t.Fatalf("a slow subscriber got block %d, want %d", u.Block.Block, i)
		}
	}
	end()
	end() // a second time does nothing
	if _, open := <-slow; open {
		t.Error("an ended subscription is open")
	}
	endQuick()
	s.publish(Update{}) // to nobody
	late, _ := s.subscribe()
	s.close()
	if _, open := <-late; open {
		t.Error("the end of the engine left a subscription open")
	}
}

func TestUpdatesAreInTheJournalFirst(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		e, err := New(w.configuration())
		if err != nil {
			t.Fatal(err)
		}
		updates, end := e.Subscribe()
		defer end()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		blocks, events, statuses := 0, 0, 0
		for u := range updates {
			switch {
			case u.Block != nil:
				if bs := w.blocks(); bs[len(bs)-1].Block < u.Block.Block {
					t.Errorf("block %d is published before it is in the journal", u.Block.Block)
				}
				blocks++
			case u.Event != nil:
				found := false
				for _, ev := range w.events() {
					found = found || ev.ID == u.Event.ID
				}
				if !found {
					t.Errorf("event %s is published before it is in the journal", u.Event.ID)
				}
				events++
			case u.Status != nil:
				statuses++
				if u.Status.Phase == rollout.Promoted {
					cancel()
				}
			}
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if blocks < 4 || events < 4 || statuses < 10 {
			t.Errorf("%d blocks, %d events, %d statuses", blocks, events, statuses)
		}
	})
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{what: "ask the oracle"}
		ctx := context.Background()
		v, err := call(ctx, d, time.Second, func(context.Context) (int, error) { return 7, nil })
		if v != 7 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		cause := errors.New("no")
		if _, err := call(ctx, d, time.Second, func(context.Context) (int, error) { return 7, cause }); !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "ask the oracle: ") {
			t.Errorf("error %v", err)
		}
		release := make(chan struct{})
		hang := func(context.Context) (int, error) { <-release; return 1, nil }
		began := time.Now()
		if _, err := call(ctx, d, time.Second, hang); err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
			t.Errorf("a hung call: %v", err)
		}
		if _, err := call(ctx, d, time.Second, hang); err == nil || !strings.Contains(err.Error(), "has not come back") {
			t.Errorf("behind a hung call: %v", err)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("two calls took %s, want one timeout", d)
		}
		close(release)
		synctest.Wait()
		ended, cancel := context.WithCancel(ctx)
		cancel()
		waits := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		if _, err := call(ended, d, time.Second, waits); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestTroubles(t *testing.T) {
	var log bytes.Buffer
	tr := troubles{log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 100 {
		tr.of("router", errors.New("away\nfor now"))
	}
	tr.is("save", "no room")
	if d := cmp.Diff([]string{"away for now", "no room"}, tr.warnings()); d != "" {
		t.Errorf("warnings:\n%s", d)
	}
	if n := strings.Count(log.String(), "away for now"); n != 7 { // 1, 2, 4 … 64
		t.Errorf("100 errors gave %d lines", n)
	}
	if !tr.has("other", "save") || tr.has("other") {
		t.Error("has is wrong")
	}
	tr.of("router", nil)
	tr.of("router", nil)
	if n := strings.Count(log.String(), "works again"); n != 1 {
		t.Errorf("the end of a trouble gave %d lines", n)
	}
	if s := sentence(strings.Repeat("é", 1000)); len(s) > 410 || !strings.HasSuffix(s, "é…") {
		t.Errorf("a long sentence has %d bytes and ends %q", len(s), s[len(s)-6:])
	}
}

func split(t *rapid.T, name string) traffic.Split {
	return traffic.Split{
		Canary: traffic.Weight(rapid.IntRange(0, 3).Draw(t, name+" canary")),
		Mirror: traffic.Weight(rapid.IntRange(0, 3).Draw(t, name+" mirror")),
		Open:   rapid.Bool().Draw(t, name+" open"),
	}
}

// TestRelieves: what may be applied unsaved never gives the canary more, and
// two different splits never relieve each other.
func TestRelieves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := split(t, "a"), split(t, "b")
		if relieves(a, b) && (b.Canary > a.Canary || b.Mirror > a.Mirror || b.Open && !a.Open) {
			t.Fatalf("%+v to %+v", a, b)
		}
		if relieves(a, b) && relieves(b, a) {
			t.Fatalf("both ways: %+v, %+v", a, b)
		}
		if off := (traffic.Split{}); (a.Canary > 0 || a.Mirror > 0 || a.Open) && !relieves(a, off) {
			t.Fatalf("%+v to nothing is no relief", a)
		}
	})
}

// TestKeep: nothing that runs is ended, nothing that is wanted is left out.
func TestKeep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scale := func(name string) rollout.Scale {
			return rollout.Scale{Stable: rapid.Bool().Draw(t, name), Canary: rapid.Bool().Draw(t, name), Promoted: rapid.Bool().Draw(t, name)}
		}
		now, to := scale("now"), scale("to")
		got := keep(now, to)
		if (now.Stable || to.Stable) != got.Stable || (now.Canary || to.Canary) != got.Canary {
			t.Fatalf("%+v and %+v give %+v", now, to, got)
		}
		if keep(now, now) != now && now.Promoted == false {
			t.Fatalf("%+v is changed", now)
		}
	})
}

func TestStamp(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := openBlock{start: at, traffic: traffic.Observed{Canary: traffic.Percent(25)}, stage: analysis.Stage{Index: 2}}
	got := b.stamp(analysis.Sample{Cursor: "c"}, 9, at.Add(time.Second))
	want := analysis.Sample{Block: 9, Start: at, End: at.Add(time.Second), Weight: 0.25, Stage: analysis.Stage{Index: 2}, Cursor: "c"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	own := analysis.Sample{Start: at.Add(-time.Hour), End: at.Add(-time.Minute)}
	if got := b.stamp(own, 1, at); !got.Start.Equal(own.Start) || !got.End.Equal(own.End) {
		t.Errorf("the source's own times were replaced: %+v", got)
	}
}

func TestBlockEnds(t *testing.T) {
	b := openBlock{traffic: traffic.Observed{Generation: 1, Canary: 500, Mirror: 100}, stage: analysis.Stage{Index: 1}}
	for name, c := range map[string]struct {
		o     traffic.Observed
		stage int
		want  bool
	}{
		"same":       {traffic.Observed{Generation: 1, Canary: 500, Mirror: 100}, 1, false},
		"generation": {traffic.Observed{Generation: 2, Canary: 500, Mirror: 100, Level: traffic.Flowing}, 1, false},
		"weight":     {traffic.Observed{Generation: 1, Canary: 501, Mirror: 100}, 1, true},
		"mirror":     {traffic.Observed{Generation: 1, Canary: 500}, 1, true},
		"stage":      {traffic.Observed{Generation: 1, Canary: 500, Mirror: 100}, 2, true},
	} {
		if got := b.ends(c.o, analysis.Stage{Index: c.stage}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestQuery asks for what the running plan judges, as far as the file still
// says how.
func TestQuery(t *testing.T) {
	ladderPlan := ladder(5, 100)
	ladderPlan.Analysis.Metrics = []analysis.Metric{{Name: "a", Kind: analysis.ErrorRate}, {Name: "b", Kind: analysis.Latency}}
	file := Spec{Plan: ladder(10), Metrics: []metric.Metric{
		{Name: "a", Kind: analysis.ErrorRate}, {Name: "b", Kind: analysis.Mean}, {Name: "c", Kind: analysis.ErrorRate},
	}}
	got := query("churn", rollout.State{Plan: ladderPlan}, file)
	want := metric.Query{Rollout: "churn", Revision: "b", Stable: arm(ladderPlan.Stable), Canary: arm(ladderPlan.Canary), Metrics: []metric.Metric{{Name: "a", Kind: analysis.ErrorRate}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func arm(r rollout.Revision) metric.Arm { return metric.Arm{Version: r.Version, Revision: r.Hash} }

func TestObservationLeavesUnjudgedPhasesAlone(t *testing.T) {
	c := Config{Step: tally}
	sample := &analysis.Sample{Block: 5, Cursor: "next"}
	for _, p := range []rollout.Phase{"", rollout.Idle, rollout.Promoting, rollout.Promoted, rollout.RollingBack, rollout.RolledBack} {
		o := c.observation(rollout.State{Phase: p, Cursor: "old"}, rollout.Plan{}, gathered{sample: sample}, nil)
		if o.Evidence != nil || o.Cursor != "next" {
			t.Errorf("%q: evidence %v, cursor %q", p, o.Evidence, o.Cursor)
		}
	}
	for _, p := range []rollout.Phase{rollout.Initializing, rollout.Progressing, rollout.Paused} {
		o := c.observation(rollout.State{Phase: p, Cursor: "old"}, rollout.Plan{}, gathered{sample: sample}, nil)
		if o.Evidence == nil || o.Evidence.LastBlock != 5 || o.Verdict.Block != 5 {
			t.Errorf("%q: evidence %+v", p, o.Evidence)
		}
		none := c.observation(rollout.State{Phase: p, Cursor: "old"}, rollout.Plan{}, gathered{blind: "away"}, nil)
		if none.Evidence != nil || none.Cursor != "old" || none.Blind != "away" {
			t.Errorf("%q without a block: %+v", p, none)
		}
	}
}

// TestJudgedNamesTheAttempt: so that a block which closes in the very tick that
// begins the next attempt is not taken for evidence of that one.
func TestJudgedNamesTheAttempt(t *testing.T) {
	c := Config{Step: tally}
	s := rollout.State{Phase: rollout.Progressing, Attempt: 3, Plan: ladder(5, 100)}
	o := c.observation(s, s.Plan, gathered{sample: &analysis.Sample{Block: 5}}, nil)
	if want := (rollout.Judged{Revision: "b", Attempt: 3}); o.Judged != want {
		t.Errorf("judged %+v, want %+v", o.Judged, want)
	}
	if o := c.observation(s, s.Plan, gathered{}, nil); o.Judged != (rollout.Judged{}) {
		t.Errorf("without a block: %+v", o.Judged)
	}
}
