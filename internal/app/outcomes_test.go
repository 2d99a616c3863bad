package app

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/exporter"
	"github.com/haldane-dev/haldane/internal/feedback"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/store/file"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestOutcomesGrow: each prediction that matures is told once, under the names
// that it had, and a new revision begins at zero.
func TestOutcomesGrow(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	store, err := file.Open(filepath.Join(t.TempDir(), "db"), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := feedback.Open(store.DB(), codec, feedback.Options{
		Rollout: "shop/churn", Revision: "r1", Maturity: time.Minute, CohortLength: time.Second, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	predict := func(revision, class string, nonce uint64) string {
		ledger.SetRevision(revision)
		ledger.Predicted(traffic.Canary, class, now)
		return string(codec.AppendEncode(nil, predictionid.Claims{
			Rollout: predictionid.Hash32("shop/churn"), Revision: predictionid.Hash32(revision),
			Arm: uint8(traffic.Canary), Time: now, Class: class, Nonce: nonce,
		}))
	}
	o := newOutcomes(ledger, []time.Duration{30 * time.Second, time.Minute}, nil, clock)
	counts := func(d fleet.Document) []exporter.Outcome {
		t.Helper()
		f, err := o.of(d)
		if err != nil {
			t.Fatal(err)
		}
		var out []exporter.Outcome
		for _, x := range f.Outcomes {
			if x.Predictions+x.Right+x.Wrong > 0 {
				out = append(out, x)
			}
		}
		return out
	}
	first := fleet.Document{Revision: "r1"}
	id := predict("r1", "1", 1)
	predict("r1", "0", 2)
	item, err := feedback.Label(id, "0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Put(t.Context(), []feedback.Item{item}); err != nil {
		t.Fatal(err)
	}
	if got := counts(first); len(got) > 0 {
		t.Errorf("before they are mature: %+v", got)
	}
	outcome := func(maturity time.Duration, as string, wrong int64) exporter.Outcome {
		return exporter.Outcome{Arm: traffic.Canary, Maturity: maturity, Predicted: as, Predictions: 1, Wrong: wrong}
	}
	early := []exporter.Outcome{outcome(30*time.Second, "positive", 1), outcome(30*time.Second, "negative", 0)}
	now = now.Add(40 * time.Second)
	for range 2 {
		if d := cmp.Diff(early, counts(first), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("at the first maturity (-want +got):\n%s", d)
		}
	}
	now = now.Add(time.Minute)
	late := append(early, outcome(time.Minute, "positive", 1), outcome(time.Minute, "negative", 0))
	if d := cmp.Diff(late, counts(first)); d != "" {
		t.Errorf("at both (-want +got):\n%s", d)
	}
	renamed := first
	renamed.Arms[traffic.Stable].Version = "v2"
	if got := counts(renamed); len(got) > 0 {
		t.Errorf("told again under another name: %+v", got)
	}
	predict("r2", "1", 3)
	now = now.Add(40 * time.Second)
	if got := counts(fleet.Document{Revision: "r2"}); len(got) != 1 || got[0].Predictions != 1 || got[0].Maturity != 30*time.Second {
		t.Errorf("the next revision: %+v", got)
	}
	// One that begins again leaves out what had matured before it.
	o = newOutcomes(ledger, []time.Duration{30 * time.Second}, nil, clock)
	if got := counts(fleet.Document{Revision: "r2"}); len(got) > 0 {
		t.Errorf("told by two processes: %+v", got)
	}
}

// TestOutcomesByGroup: groups of users are told beside all of them, those alone of
// which there is anything.
func TestOutcomesByGroup(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	store, err := file.Open(filepath.Join(t.TempDir(), "db"), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]feedback.Bounds{"checkout": {}}
	ledger, err := feedback.Open(store.DB(), codec, feedback.Options{
		Rollout: "shop/churn", Revision: "r1", Maturity: time.Minute, CohortLength: time.Second, Now: clock, Events: events,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	o := newOutcomes(ledger, []time.Duration{time.Minute}, events, clock)
	if _, err := o.of(fleet.Document{Revision: "r1"}); err != nil {
		t.Fatal(err)
	}
	for group := range uint8(3) {
		id := string(codec.AppendEncode(nil, predictionid.Claims{
			Rollout: predictionid.Hash32("shop/churn"), Revision: predictionid.Hash32("r1"),
			Arm: uint8(traffic.Canary), Time: now, Class: "1", Nonce: uint64(group), Group: group,
		}))
		ledger.Answered(feedback.Prediction{Arm: traffic.Canary, Time: now, Class: "1", PredictionID: id, Group: group})
		if group == 2 {
			if _, err := ledger.Put(t.Context(), []feedback.Item{{ID: id, Event: "checkout", HasValue: true, Value: 5}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	now = now.Add(2 * time.Minute)
	f, err := o.of(fleet.Document{Revision: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int64{}
	for _, x := range f.Outcomes {
		if x.Predictions > 0 {
			told[x.Group] += x.Predictions
		}
	}
	if d := cmp.Diff(map[string]int64{"": 3, "0": 1, "1": 1}, told); d != "" {
		t.Errorf("predictions by group (-want +got):\n%s", d)
	}
	came := map[string]int64{}
	for _, x := range f.Events {
		came[x.Group] += x.Predictions
	}
	if d := cmp.Diff(map[string]int64{"": 1, "1": 1}, came); d != "" {
		t.Errorf("events by group (-want +got):\n%s", d)
	}
}

// TestMaturitiesOfAGoal: what comes back is told at the goal's maturity too.
func TestMaturitiesOfAGoal(t *testing.T) {
	m := &v1alpha1.ModelRollout{}
	m.Spec.Analysis.Metrics = []v1alpha1.Metric{{Name: "accuracy", Outcome: &v1alpha1.Outcome{Maturity: &v1alpha1.Duration{Duration: time.Hour}}}}
	for want, g := range map[int]v1alpha1.Goal{
		1: {Mean: &v1alpha1.GoalMean{Of: "confidence"}},
		2: {Mean: &v1alpha1.GoalMean{Of: "conversion", Event: "checkout", Maturity: &v1alpha1.Duration{Duration: time.Minute}}},
	} {
		m.Spec.Strategy.Experiment = &v1alpha1.Experiment{Goal: g}
		if got := maturities(m, time.Hour); len(got) != want {
			t.Errorf("%+v: %v", g.Mean, got)
		}
	}
}
