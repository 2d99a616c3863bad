package feedback

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// answered tells of a prediction for one group of users and returns its ID.
func (w *world) answered(arm traffic.Arm, class string, group uint8) string {
	cl := w.claims(arm, class)
	cl.Group = group
	id := w.id(cl)
	w.ledger.Answered(Prediction{Arm: arm, Time: w.now(), Class: class, PredictionID: id, Group: group})
	return id
}

func TestGroups(t *testing.T) {
	w := newWorld(t)
	yes, no := w.answered(traffic.Canary, "yes", 3), w.answered(traffic.Canary, "no", 3)
	w.answered(traffic.Canary, "maybe", 100)
	nobody := w.answered(traffic.Canary, "yes", 0)
	w.expect("wrong", w.label(yes, "no"), Accepted)
	w.expect("of nobody known", w.label(nobody, "yes"), Accepted)
	w.expect("value", Item{ID: no, HasValue: true, Value: 7}, Accepted)
	w.at(2 * time.Minute)
	got := w.matured(Question{}).Arms[traffic.Canary]
	if got.Predicted != 4 || got.Unknown.N != 2 || len(got.Groups) != telemetry.Groups {
		t.Fatalf("%+v", got)
	}
	want := GroupAnswer{
		Unknown:  Judged{N: 1, Wrong: 1, Value: Moments{N: 1, Sum: 7, SumSq: 49}},
		Negative: Judged{N: 2, Wrong: 1, Value: Moments{N: 2, Sum: 7, SumSq: 49}}, Predicted: 2, Labelled: 1,
	}
	if d := cmp.Diff(want, got.Groups[2]); d != "" {
		t.Errorf("group 3 (-want +got):\n%s", d)
	}
	want = GroupAnswer{Negative: Judged{N: 1, Wrong: 1, Value: Moments{N: 1}}, Predicted: 1}
	if d := cmp.Diff(want, got.Groups[99]); d != "" {
		t.Errorf("group 100 (-want +got):\n%s", d)
	}
	parts, _, err := w.ledger.Parts(Question{Revision: "v2", From: start, Now: w.now()})
	if err != nil {
		t.Fatal(err)
	}
	if g := parts[traffic.Canary].Groups; len(g) != 2 || g[2].Classes[Positive].Wrong != 1 || g[99].Classes[Positive].Predicted != 1 {
		t.Errorf("of a replica: %+v", g)
	}
}

// TestGroupsSumToTheArm: whatever comes back, groups hold all of it between them.
func TestGroupsSumToTheArm(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := openWorld(t, filepath.Join(t.TempDir(), "db"), Options{
			Rollout: "churn", Revision: "v2", Maturity: time.Minute, CohortLength: 10 * time.Second, Lower: 0, Upper: 100,
			Events: map[string]Bounds{"bought": {}, "left": {}},
		})
		defer w.close()
		for i := range rapid.IntRange(1, 30).Draw(rt, "requests") {
			w.at(time.Duration(i) * time.Second)
			id := w.answered(traffic.Arm(rapid.IntRange(0, 1).Draw(rt, "arm")), rapid.SampledFrom([]string{"yes", "no", "", "other"}).Draw(rt, "class"),
				uint8(rapid.IntRange(1, telemetry.Groups).Draw(rt, "group")))
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 1:
				w.put(w.label(id, "yes"))
			case 2:
				w.put(Item{ID: id, HasValue: true, Value: float64(rapid.IntRange(0, 100).Draw(rt, "value"))})
			case 3:
				w.put(Item{ID: id, Event: rapid.SampledFrom([]string{"bought", "left"}).Draw(rt, "event"), HasValue: true, Value: 2})
			}
		}
		w.at(10 * time.Minute)
		for arm, a := range w.matured(Question{}).Arms {
			var sum ArmAnswer
			for _, g := range a.Groups {
				sum.Predicted, sum.Labelled = sum.Predicted+g.Predicted, sum.Labelled+g.Labelled
				for _, x := range [][2]*Judged{{&sum.Unknown, &g.Unknown}, {&sum.Negative, &g.Negative}} {
					x[0].N, x[0].Wrong = x[0].N+x[1].N, x[0].Wrong+x[1].Wrong
					x[0].Value.Add(x[1].Value)
				}
				for name, c := range g.Events {
					if sum.Events == nil {
						sum.Events = map[string]Came{}
					}
					at := sum.Events[name]
					at.N += c.N
					at.Value.Add(c.Value)
					sum.Events[name] = at
				}
			}
			a.Classes, a.Groups = nil, nil
			if d := cmp.Diff(a, sum); d != "" {
				rt.Fatalf("arm %d, groups (+) and all of it (-):\n%s", arm, d)
			}
		}
	})
}

// TestALedgerWithoutGroupsGoesOn: what an earlier version wrote is read, and what
// comes now is counted by group.
func TestALedgerWithoutGroupsGoesOn(t *testing.T) {
	w := newWorld(t)
	w.answered(traffic.Stable, "yes", 0)
	if err := w.ledger.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(rootBucket).Bucket([]byte("churn"))
		if err := b.DeleteBucket(groupsBucket); err != nil {
			return err
		}
		return b.DeleteBucket(eventGroupsBucket)
	}); err != nil {
		t.Fatal(err)
	}
	w.kill()
	w.answered(traffic.Stable, "yes", 5)
	w.at(2 * time.Minute)
	if a := w.matured(Question{}).Arms[0]; a.Predicted != 2 || a.Groups[4].Predicted != 1 {
		t.Errorf("%+v", a)
	}
}

func TestDamagedGroupsAreRefused(t *testing.T) {
	whole := grouped{3: {predicted: 5, value: Moments{N: 1, Sum: 1, SumSq: 1}}, 7: {labelled: 300}}
	raw := whole.encode()
	if got, err := decodeGrouped(raw); err != nil || !cmp.Equal(got, whole, cmp.AllowUnexported(counts{})) {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range raw {
		if n == 1 || n == 1+1+4+16 { // all of the groups before it
			continue
		}
		if got, err := decodeGrouped(raw[:n]); err == nil {
			t.Errorf("of %d bytes of %d: %+v", n, len(raw), got)
		}
	}
	for _, bad := range [][]byte{{2}, {1, 0, 0, 0, 0, 0}, {1, 9, 0, 0, 0, 0, 9, 0, 0, 0, 0}} {
		if got, err := decodeGrouped(bad); err == nil {
			t.Errorf("%v: %+v", bad, got)
		}
	}
}

// TestGroupsStaySmall: a cohort has one record for each way that classes read,
// however many classes and users there are, and ends with its cohort.
func TestGroupsStaySmall(t *testing.T) {
	w := newWorld(t)
	for i := range 6000 {
		w.answered(traffic.Stable, fmt.Sprint("class ", i%40), uint8(1+i%telemetry.Groups))
	}
	if err := w.ledger.Flush(); err != nil {
		t.Fatal(err)
	}
	size := func() (keys, bytes int) {
		if err := w.db.View(func(tx *bbolt.Tx) error {
			return w.ledger.bucket(tx, groupsBucket).ForEach(func(k, v []byte) error {
				keys, bytes = keys+1, bytes+len(k)+len(v)
				return nil
			})
		}); err != nil {
			t.Fatal(err)
		}
		return keys, bytes
	}
	if keys, bytes := size(); keys != 1 || bytes > 1000 {
		t.Errorf("6000 predictions of 40 classes and 100 groups: %d records, %d bytes", keys, bytes)
	}
	w.at(4 * time.Hour)
	if err := w.ledger.Flush(); err != nil {
		t.Fatal(err)
	}
	if keys, _ := size(); keys != 0 {
		t.Errorf("%d records are kept after their time", keys)
	}
}
