package feedback

import (
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestOpenRefuses(t *testing.T) {
	w := newWorld(t)
	for name, o := range map[string]Options{
		"no rollout":        {},
		"negative maturity": {Rollout: "r", Maturity: -1},
		"bounds reversed":   {Rollout: "r", Lower: 2, Upper: 1},
	} {
		if _, err := Open(w.db, w.codec, o); err == nil || !strings.HasPrefix(err.Error(), "feedback: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(w.db, nil, Options{Rollout: "r"}); err == nil {
		t.Error("a ledger without a codec was opened")
	}
}

func TestWhatBecomesOfAnItem(t *testing.T) {
	w := newWorld(t)
	yes := w.id(w.claims(traffic.Canary, "yes"))
	w.expect("a label", w.label(yes, "yes"), Accepted)
	w.expect("the same again", w.label(yes, "yes"), Duplicate)
	w.expect("another", w.label(yes, "no"), Conflict)
	w.expect("another again", w.label(yes, "no"), Conflict)
	w.expect("a value for it too", Item{ID: yes, HasValue: true, Value: 3}, Accepted)
	w.expect("the same value", Item{ID: yes, HasValue: true, Value: 3}, Duplicate)

	w.expect("no ID", w.label("order-17", "yes"), Malformed)
	forger, err := predictionid.New([]byte("another key, 16+"))
	if err != nil {
		t.Fatal(err)
	}
	w.expect("forged", w.label(string(forger.AppendEncode(nil, w.claims(0, "yes"))), "yes"), Forged)
	other := w.claims(0, "yes")
	other.Rollout++
	w.expect("another rollout's", w.label(w.id(other), "yes"), Unknown)
	arm := w.claims(7, "yes")
	w.expect("an arm there is not", w.label(w.id(arm), "yes"), Unknown)
	w.expect("an unknown request", Item{RequestID: "order-17", HasLabel: true, label: label{text: "yes"}}, Unknown)
	for _, flag := range []predictionid.Flags{predictionid.Forced, predictionid.WarmUp, predictionid.Mirrored} {
		cl := w.claims(0, "yes")
		cl.Flags = flag
		w.expect("no evidence", w.label(w.id(cl), "yes"), Apart)
	}
	w.expect("nothing was predicted", w.label(w.id(w.claims(0, "")), "yes"), NoAnswer)
	w.expect("a value needs no prediction", Item{ID: w.id(w.claims(0, "")), HasValue: true, Value: 1}, Accepted)

	batch := w.claims(0, "")
	batch.Count = 3
	id := w.id(batch)
	w.expect("a label of a batch", w.label(id+".1", "yes"), NoAnswer)
	w.expect("a value of a batch", Item{ID: id + ".1", HasValue: true, Value: 1}, Accepted)
	w.expect("another of the batch", Item{ID: id + ".2", HasValue: true, Value: 1}, Accepted)
	w.expect("again", Item{ID: id + ".2", HasValue: true, Value: 1}, Duplicate)
	w.expect("beyond the batch", Item{ID: id + ".3", HasValue: true, Value: 1}, Malformed)

	late := w.id(w.claims(0, "yes"))
	w.at(time.Minute + 10*time.Second - 1)
	w.expect("just in time", w.label(w.id(predictionid.Claims{Rollout: predictionid.Hash32("churn"), Time: start, Class: "a"}), "a"), Accepted)
	w.at(time.Minute + 10*time.Second)
	w.expect("too late", w.label(late, "yes"), Late)

	want := map[Status]int64{Accepted: 6, Duplicate: 3, Conflict: 2, Malformed: 2, Forged: 1, Unknown: 3, Apart: 3, NoAnswer: 2, Late: 1}
	got := w.ledger.Tally()
	if diff := cmp.Diff(want, got.Items); diff != "" {
		t.Errorf("tally (-want +got):\n%s", diff)
	}
	if got.Labelled != [traffic.MaxArms]int64{1, 1} || got.Valued != [traffic.MaxArms]int64{3, 1} {
		t.Errorf("tally by arm: labelled %v, valued %v", got.Labelled, got.Valued)
	}
}

func TestDuplicatesInOneRequest(t *testing.T) {
	w := newWorld(t)
	id := w.id(w.claims(0, "yes"))
	got := w.put(w.label(id, "yes"), w.label(id, "yes"), w.label(id, "no"))
	if diff := cmp.Diff([]Status{Accepted, Duplicate, Conflict}, got); diff != "" {
		t.Errorf("one prediction three times (-want +got):\n%s", diff)
	}
}

func TestRightAndWrong(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("long name ", 6)
	for _, tt := range []struct {
		class string
		label any
		right bool
	}{
		{"yes", "yes", true}, {"yes", "no", false}, {"yes", "Yes", false},
		{"1", 1, true}, {"1", 1.0, true}, {"1", "1", true}, {"1.0", 1, true}, {"1", "1.0", true}, {"1", 2, false}, {"1", true, false},
		{"true", true, true}, {"true", "true", true}, {"false", true, false},
		{"007", 7, false}, {long, long, true}, {long, long + "!", false},
	} {
		before := w.sum()
		w.expect(tt.class, w.label(w.id(w.claims(traffic.Stable, tt.class)), tt.label), Accepted)
		after := w.sum()
		if got := after.wrong == before.wrong; after.labelled != before.labelled+1 || got != tt.right {
			t.Errorf("class %q, label %v: right %v, want %v", tt.class, tt.label, got, tt.right)
		}
	}
}

// sum adds up everything the ledger holds.
func (w *world) sum() counts {
	w.t.Helper()
	var sum counts
	err := scan(w.ledger, cohortsBucket, start.Add(-24*time.Hour).UnixMilli(), start.Add(24*time.Hour).UnixMilli(), decodeCounts, func(_ cell, n counts) bool {
		sum.add(n)
		return true
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

func TestValues(t *testing.T) {
	w := newWorld(t)
	for _, v := range []float64{-5, 0, 50, 99, 100, 1e300} { // bounds are 0 and 100
		w.expect("value", Item{ID: w.id(w.claims(0, "yes")), HasValue: true, Value: v}, Accepted)
	}
	got := w.sum()
	if want := (Moments{6, 349, 2500 + 9801 + 20000}); got.value != want {
		t.Errorf("moments %+v, want %+v", got.value, want)
	}
	if got.bins[0] != 2 || got.bins[32] != 1 || got.bins[63] != 3 {
		t.Errorf("bins %v", got.bins)
	}
}

func TestDistanceFromAPredictedNumber(t *testing.T) {
	w := newWorld(t)
	cl := w.claims(traffic.Canary, "")
	cl.HasScore, cl.Score = true, 10.5
	w.ledger.Predicted(traffic.Canary, "", w.now())
	w.expect("a number", w.label(w.id(cl), 12), Accepted)
	cl.Nonce++
	w.expect("no number", w.label(w.id(cl), "twelve"), NoAnswer)
	w.at(70 * time.Second)
	a := w.matured(Question{}).Arms[traffic.Canary]
	if want := (ArmAnswer{
		Unknown:  Judged{Value: Moments{1, 1.5, 2.25}},
		Negative: Judged{Value: Moments{1, 1.5, 2.25}}, Predicted: 1, Labelled: 1,
	}); !cmp.Equal(a, want) {
		t.Errorf("%+v, want %+v: a number is neither right nor wrong", a, want)
	}
}

func TestUnboundedValuesStayFinite(t *testing.T) {
	w := newWorld(t)
	w.ledger.opt.Lower, w.ledger.opt.Upper = 0, 0
	for _, v := range []float64{1e308, -1e308, 2} {
		w.expect("value", Item{ID: w.id(w.claims(0, "")), HasValue: true, Value: v}, Accepted)
	}
	if got := w.sum(); !isFinite(got.value.SumSq) || got.bins != nil {
		t.Errorf("%+v", got)
	}
}

func TestPutRefusesWhatParseCouldNotMake(t *testing.T) {
	w := newWorld(t)
	good := w.label(w.id(w.claims(0, "yes")), "yes")
	for _, bad := range []Item{{ID: "x"}, {ID: "x", HasValue: true, Value: math.Inf(1)}} {
		if _, err := w.ledger.Put(t.Context(), []Item{good, bad}); err == nil || !strings.Contains(err.Error(), "item 1") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if w.sum().labelled != 0 {
		t.Error("the good one was taken all the same")
	}
}

func TestClassesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.ledger.classes.max = 2
	for _, class := range []string{"a", "b", "c", "d"} {
		w.ledger.Predicted(0, class, w.now())
		w.expect(class, w.label(w.id(w.claims(0, class)), class), Accepted)
	}
	w.kill()
	w.ledger.classes.max = 2
	w.expect("e", w.label(w.id(w.claims(0, "e")), "e"), Accepted)
	w.at(time.Hour)
	got, err := w.ledger.Coverage()
	if err != nil {
		t.Fatal(err)
	}
	byClass := map[string]int64{}
	for class, s := range got[0].Classes {
		byClass[class] = s.Labelled
	}
	if diff := cmp.Diff(map[string]int64{"a": 1, "b": 1, OtherClass: 3}, byClass); diff != "" {
		t.Errorf("labels by class (-want +got):\n%s", diff)
	}
}

func TestConcurrentUse(t *testing.T) {
	const workers, each = 4, 25
	w := newWorld(t)
	w.db.MaxBatchDelay = time.Millisecond
	ids := make([][]string, workers)
	for i := range ids {
		for range each {
			ids[i] = append(ids[i], w.id(w.claims(traffic.Arm(i&1), "yes")))
		}
	}
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for n, id := range ids[i] {
				w.ledger.Predicted(traffic.Arm(i&1), "yes", start)
				w.ledger.Index(id[:20], id)
				// Every label is sent twice, once by a neighbour.
				for _, id := range []string{id, ids[(i+1)%workers][n]} {
					it, err := Label(id, "yes")
					if err == nil {
						_, err = w.ledger.Put(t.Context(), []Item{it})
					}
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := w.ledger.Flush(); err != nil {
		t.Fatal(err)
	}
	got := w.sum()
	if got.predicted != workers*each || got.labelled != workers*each || got.wrong != 0 {
		t.Errorf("%+v, want %d of each", got, workers*each)
	}
	items := w.ledger.Tally().Items
	if items[Accepted] != workers*each || items[Duplicate] != workers*each {
		t.Errorf("tally %v", items)
	}
}

func TestAnswered(t *testing.T) {
	w := newWorld(t)
	id := func() string { return w.id(w.claims(traffic.Canary, "yes")) }
	forced := w.claims(traffic.Canary, "yes")
	forced.Flags = predictionid.Forced
	for _, p := range []Prediction{
		{Class: "yes", Count: 1, RequestID: "plain", PredictionID: id()},
		{Class: "yes", Count: 1, RequestID: "plain", PredictionID: w.id(forced), Mirrored: true},
		{Class: "yes", Count: 1, RequestID: "forced", PredictionID: w.id(forced), Forced: true},
		{Count: 3, RequestID: "no ID was issued"},
		{PredictionID: id()},
	} {
		p.Arm, p.Time = traffic.Canary, w.now()
		w.ledger.Answered(p)
	}
	w.expect("the answer that the user saw", w.byRequest("plain"), Accepted)
	w.expect("a forced one", w.byRequest("forced"), Apart)
	w.expect("without an ID", w.byRequest("no ID was issued"), Unknown)
	if got := w.ledger.Tally(); got.Predicted != [traffic.MaxArms]int64{0, 5} || got.Unindexed != 0 {
		t.Errorf("predicted %v, want 1 plain, 3 in a batch and 1 unread; %d not indexed", got.Predicted, got.Unindexed)
	}
	w.at(70 * time.Second)
	if a := w.matured(Question{}).Arms[traffic.Canary]; a.Predicted != 5 || a.Negative.N != 1 || a.Unknown.N != 1 {
		t.Errorf("matured: %+v", a)
	}
}
