package feedback

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestMaturity(t *testing.T) {
	w := newWorld(t)
	w.at(3 * time.Second)
	w.ledger.Predicted(traffic.Stable, "yes", w.now())
	w.ledger.Predicted(traffic.Stable, "no", w.now())
	w.expect("label", w.label(w.id(w.claims(traffic.Stable, "yes")), "no"), Accepted)

	// Every label is there, and nothing is handed over before the cohort's end
	// is a minute old.
	w.at(70*time.Second - time.Millisecond)
	early := w.matured(Question{})
	if !cmp.Equal(early.Arms[0], ArmAnswer{}) || !early.Next.Equal(start) {
		t.Fatalf("before maturity: %+v", early)
	}
	w.at(70 * time.Second)
	got := w.matured(Question{After: early.Next})
	want := ArmAnswer{Unknown: Judged{N: 1, Wrong: 1}, Negative: Judged{N: 2, Wrong: 1, Value: Moments{N: 2}}, Predicted: 2, Labelled: 1,
		Classes: map[string]Share{"yes": {Predicted: 1, Labelled: 1, Wrong: 1}, "no": {Predicted: 1}}}
	if !cmp.Equal(got.Arms[0], want) || !got.Next.Equal(start.Add(10*time.Second)) {
		t.Errorf("at maturity: %+v until %s, want %+v", got.Arms[0], got.Next, want)
	}
	if again := w.matured(Question{After: early.Next}); !cmp.Equal(again, got) {
		t.Errorf("asked again: %+v, want %+v", again, got)
	}
	if rest := w.matured(Question{After: got.Next}); !cmp.Equal(rest.Arms[0], ArmAnswer{}) {
		t.Errorf("counted twice: %+v", rest.Arms[0])
	}
	// A metric of its own, shorter maturity has a position of its own.
	w.at(75 * time.Second)
	w.ledger.Predicted(traffic.Canary, "yes", w.now())
	w.at(90 * time.Second)
	if short := w.matured(Question{After: got.Next, Maturity: 10 * time.Second}); short.Arms[1].Predicted != 1 {
		t.Errorf("after ten seconds: %+v", short.Arms[1])
	}
	if long := w.matured(Question{After: got.Next}); long.Arms[1].Predicted != 0 {
		t.Errorf("after a minute it is not yet: %+v", long.Arms[1])
	}
}

func TestNegative(t *testing.T) {
	w := newWorld(t)
	for _, p := range []struct {
		class string
		label any
	}{
		{"yes", nil}, {"yes", "yes"}, {"no", nil}, {"no", "yes"}, {"item-7", nil}, {"", nil},
	} {
		w.ledger.Predicted(traffic.Canary, p.class, w.now())
		if p.label != nil {
			w.expect("label", w.label(w.id(w.claims(traffic.Canary, p.class)), p.label), Accepted)
		}
	}
	w.at(70 * time.Second)
	got := w.matured(Question{}).Arms[traffic.Canary]
	want := ArmAnswer{
		Unknown:   Judged{N: 2, Wrong: 1},
		Negative:  Judged{N: 5, Wrong: 3, Value: Moments{N: 6}}, // wrong: yes and item-7 without a label, no with one
		Predicted: 6, Labelled: 2,
		Classes: map[string]Share{"yes": {Predicted: 2, Labelled: 1}, "no": {Predicted: 2, Labelled: 1, Wrong: 1}, "item-7": {Predicted: 1}},
	}
	if !cmp.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestRevisionsAreNotMixed(t *testing.T) {
	w := newWorld(t)
	w.ledger.Predicted(traffic.Canary, "yes", w.now())
	w.ledger.SetRevision("v3")
	w.ledger.Predicted(traffic.Canary, "yes", w.now())
	w.ledger.Predicted(traffic.Canary, "yes", w.now())
	w.expect("the old one's", w.label(w.id(w.claims(traffic.Canary, "yes")), "yes"), Accepted)
	w.at(70 * time.Second)
	for revision, want := range map[string]ArmAnswer{
		"v2": {Unknown: Judged{N: 1}, Negative: Judged{N: 1, Value: Moments{N: 1}}, Predicted: 1, Labelled: 1,
			Classes: map[string]Share{"yes": {Predicted: 1, Labelled: 1}}},
		"v3": {Negative: Judged{N: 2, Wrong: 2, Value: Moments{N: 2}}, Predicted: 2,
			Classes: map[string]Share{"yes": {Predicted: 2}}},
		"v4": {},
	} {
		if got := w.matured(Question{Revision: revision}).Arms[traffic.Canary]; !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", revision, got, want)
		}
	}
}

func TestSpanCrossesIdleTimeAtOnce(t *testing.T) {
	w := newWorld(t)
	for _, at := range []time.Duration{30, 40, 50, 60} {
		w.ledger.Predicted(traffic.Stable, "yes", start.Add(at*time.Minute))
		w.ledger.Predicted(traffic.Stable, "yes", start.Add(at*time.Minute+10*time.Second))
	}
	w.at(2 * time.Hour)
	var blocks []int64
	next := time.Time{}
	for range 10 {
		a := w.matured(Question{After: next, Span: 5 * time.Second})
		if a.Next.Equal(next) {
			break
		}
		next = a.Next
		blocks = append(blocks, a.Arms[0].Predicted)
	}
	if diff := cmp.Diff([]int64{1, 1, 1, 1, 1, 1, 1, 1, 0}, blocks); diff != "" {
		t.Errorf("predictions in each block (-want +got):\n%s", diff)
	}
	if !next.Equal(start.Add(2*time.Hour - time.Minute)) {
		t.Errorf("counted up to %s", next)
	}
	if a := w.matured(Question{Span: 11 * time.Minute}); a.Arms[0].Predicted != 4 {
		t.Errorf("%d predictions within eleven minutes of the first, want 4", a.Arms[0].Predicted)
	}
}

func TestAClockAheadOfTheLedgers(t *testing.T) {
	w := newWorld(t)
	w.ledger.Predicted(traffic.Stable, "yes", start)
	a, err := w.ledger.Matured(Question{Revision: "v2", From: start, Now: start.Add(time.Hour)})
	if err != nil || a.Arms[0].Predicted != 0 {
		t.Errorf("handed over while labels are still taken: %+v, %v", a, err)
	}
}

func TestCoverage(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.ledger.Predicted(traffic.Stable, "yes", w.now())
		if i < 3 {
			w.expect("label", w.label(w.id(w.claims(traffic.Stable, "yes")), "no"), Accepted)
		}
	}
	w.ledger.Predicted(traffic.Stable, "no", w.now())
	w.at(70 * time.Second)
	w.ledger.Predicted(traffic.Stable, "no", w.now()) // too young
	w.matured(Question{})                             // writes what waits
	got, err := w.ledger.Coverage()
	if err != nil {
		t.Fatal(err)
	}
	want := ArmCoverage{Share{5, 3, 3}, map[string]Share{"yes": {4, 3, 3}, "no": {1, 0, 0}}}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	if share, ok := got[0].Of(); !ok || share != .6 {
		t.Errorf("share %v, %v", share, ok)
	}
	if _, ok := got[1].Of(); ok {
		t.Error("a share of nothing")
	}
	w.at(80 * time.Second)
	if got, _ := w.ledger.Coverage(); got[0].Predicted != 5 {
		t.Errorf("ten seconds later: %+v", got[0].Share)
	}
	w.at(150 * time.Second)
	if got, _ := w.ledger.Coverage(); got[0].Predicted != 6 {
		t.Errorf("when the last is mature: %+v", got[0].Share)
	}
}

// TestEachCohortOnce runs random histories of predictions, labels, passing time,
// collections whose save fails, and kills. In the end every label that was
// accepted has been counted exactly once.
func TestEachCohortOnce(t *testing.T) {
	dir, run := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		w := openWorld(t, filepath.Join(dir, strconv.Itoa(run)), Options{
			Rollout: "churn", Revision: "v2", Maturity: 20 * time.Second, CohortLength: 5 * time.Second,
		})
		defer w.close()
		var open []predictionid.Claims
		var next time.Time
		var accepted, counted [traffic.MaxArms]Judged
		now := time.Duration(0)
		take := func(a Answer) {
			next = a.Next
			for arm, x := range a.Arms {
				counted[arm].N += x.Unknown.N
				counted[arm].Wrong += x.Unknown.Wrong
			}
		}
		for range rapid.IntRange(5, 30).Draw(rt, "events") {
			switch rapid.IntRange(0, 6).Draw(rt, "event") {
			case 0, 1:
				open = append(open, w.claims(traffic.Arm(rapid.IntRange(0, 1).Draw(rt, "arm")), "yes"))
				w.ledger.Predicted(traffic.Arm(open[len(open)-1].Arm), "yes", w.now())
			case 2, 3:
				if len(open) == 0 {
					continue
				}
				cl := rapid.SampledFrom(open).Draw(rt, "which")
				says := rapid.SampledFrom([]string{"yes", "no"}).Draw(rt, "label")
				if w.put(w.label(w.id(cl), says))[0] == Accepted {
					accepted[cl.Arm].N++
					if says == "no" {
						accepted[cl.Arm].Wrong++
					}
				}
			case 4:
				now += time.Duration(rapid.IntRange(0, 15_000).Draw(rt, "ms")) * time.Millisecond
				w.at(now)
			case 5:
				a := w.matured(Question{After: next, Span: time.Duration(rapid.IntRange(0, 20).Draw(rt, "span")) * time.Second})
				if rapid.Bool().Draw(rt, "saved") {
					take(a)
				}
			case 6:
				w.kill()
			}
		}
		w.at(now + time.Hour)
		for range 100 {
			before := next
			take(w.matured(Question{After: next, Span: 10 * time.Second}))
			if next.Equal(before) {
				break
			}
		}
		if counted != accepted {
			rt.Fatalf("accepted %+v, counted %+v", accepted, counted)
		}
	})
}

func TestDamagedDatabase(t *testing.T) {
	for name, tt := range map[string]struct{ key, value []byte }{
		"cut short":    {cell{start: start.UnixMilli()}.key(), []byte{countsVersion, 1}},
		"empty":        {cell{start: start.UnixMilli()}.key(), nil},
		"newer format": {cell{start: start.UnixMilli()}.key(), []byte{99}},
		"too long":     {cell{start: start.UnixMilli()}.key(), append(counts{}.encode(), 1)},
	} {
		w := newWorld(t)
		err := w.db.Update(func(tx *bbolt.Tx) error { return w.ledger.bucket(tx, cohortsBucket).Put(tt.key, tt.value) })
		if err != nil {
			t.Fatal(err)
		}
		w.at(time.Hour)
		if _, err := w.ledger.Matured(Question{Revision: "v2", From: start, Now: w.now()}); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
	w := newWorld(t)
	if err := w.db.Update(func(tx *bbolt.Tx) error { return w.ledger.bucket(tx, cohortsBucket).Put([]byte("key"), []byte("x")) }); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(w.db, w.codec, w.opt); err == nil {
		t.Error("a ledger with a damaged key was opened")
	}
}

func TestCountsSurviveTheDatabase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<40)
		c := counts{predicted: n.Draw(t, "predicted"), labelled: n.Draw(t, "labelled"), wrong: n.Draw(t, "wrong")}
		if rapid.Bool().Draw(t, "values") {
			c.value = Moments{n.Draw(t, "n") + 1, rapid.Float64Range(-1e9, 1e9).Draw(t, "sum"), rapid.Float64Range(0, 1e9).Draw(t, "sumsq")}
			if rapid.Bool().Draw(t, "bounded") {
				c.bins = rapid.SliceOfN(n, ValueBins, ValueBins).Draw(t, "bins")
			}
		}
		back, err := decodeCounts(c.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, back, cmp.AllowUnexported(counts{})); diff != "" {
			t.Fatalf("-in +out:\n%s", diff)
		}
		at := cell{start: rapid.Int64().Draw(t, "start"), revision: rapid.Uint32().Draw(t, "revision"), arm: traffic.Canary, class: rapid.String().Draw(t, "class")}
		if got, err := readCell(at.key()); err != nil || got != at {
			t.Fatalf("%+v came back as %+v, %v", at, got, err)
		}
	})
}
