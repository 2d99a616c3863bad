package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/store"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Harness is one empty store and its journal.
type Harness struct {
	Store   store.Store
	Journal store.Journal
	// Reopen closes both and opens what they left behind. Nil for a store that
	// forgets when it is closed.
	Reopen func(t *testing.T) (store.Store, store.Journal)
	// MaxRecords is the most records of one kind the journal was asked to keep
	// of one rollout. It must be from 10 to 1000.
	MaxRecords int
}

// Run checks one implementation. open builds a fresh harness for every test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"EmptyLoad", emptyLoad},
		{"SaveThenLoad", saveThenLoad},
		{"VersionsGrow", versionsGrow},
		{"Conflict", conflict},
		{"RolloutsAreApart", rolloutsAreApart},
		{"LoadedStateIsACopy", loadedIsCopy},
		{"OneWinner", oneWinner},
		{"Durable", durable},
		{"JournalOrder", journalOrder},
		{"JournalOnce", journalOnce},
		{"JournalApart", journalApart},
		{"JournalBound", journalBound},
		{"EndedContext", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Example returns a state with something in every kind of field.
func Example() rollout.State {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	return rollout.State{
		Version: rollout.StateVersion, Phase: rollout.Progressing, Attempt: 2, Sequence: 41, Step: 1,
		Plan: rollout.Plan{
			Name: "churn", Stable: rollout.Revision{Version: "v1", Hash: "a"}, Canary: rollout.Revision{Version: "v2", Hash: "b"},
			Steps:       []rollout.Step{{Weight: traffic.Percent(5), Factor: 4}, {Pause: &rollout.Pause{For: time.Minute}}, {Weight: traffic.Full}},
			MaxDuration: 2 * time.Hour, OnDeadline: rollout.HoldAtDeadline,
			Analysis: analysis.Config{FalseRollback: 0.01, FalsePromotion: 0.05, Metrics: []analysis.Metric{{Name: "errors", Kind: analysis.ErrorRate, MaxRatio: 1.25}}},
		},
		Began: at, Live: at.Add(time.Second), StepBegan: at.Add(2 * time.Second),
		Want:     rollout.Desired{Split: traffic.Split{Generation: 3, Canary: 500, Salt: "churn"}, Scale: rollout.Scale{Stable: true, Canary: true}},
		Evidence: &analysis.State{LastBlock: 17},
		Verdict:  analysis.Verdict{Decision: analysis.Inconclusive, Reason: "more data", Block: 17, Metrics: []analysis.MetricVerdict{{Name: "errors", LogRollback: 0.1 + 0.2}}},
		Cursor:   "17", Seen: []string{"c1", "c2"},
		Events:  []rollout.Event{{ID: "e1", At: at, Kind: rollout.EventStarted, Message: "v2 begins"}},
		Retired: map[string]rollout.Past{"z": {Phase: rollout.RolledBack, Attempt: 1, At: at, Reason: "errors"}},
	}
}

func load(t *testing.T, s store.Store, id rollout.ID) (rollout.State, store.Version) {
	t.Helper()
	st, v, err := s.Load(t.Context(), id)
	if err != nil {
		t.Fatalf("load %s: %v", id, err)
	}
	return st, v
}

func save(t *testing.T, s store.Store, id rollout.ID, st rollout.State, v store.Version) store.Version {
	t.Helper()
	next, err := s.Save(t.Context(), id, st, v)
	if err != nil {
		t.Fatalf("save %s at version %d: %v", id, v, err)
	}
	return next
}

func differ(a, b any) string { return cmp.Diff(a, b, cmpopts.EquateEmpty()) }

func emptyLoad(t *testing.T, h Harness) {
	st, v := load(t, h.Store, "churn")
	if v != 0 || differ(rollout.State{}, st) != "" {
		t.Errorf("a state never saved loads as version %d, %+v", v, st)
	}
}

func saveThenLoad(t *testing.T, h Harness) {
	want := Example()
	v := save(t, h.Store, "churn", want, 0)
	got, loaded := load(t, h.Store, "churn")
	if loaded != v {
		t.Errorf("loaded version %d, saved %d", loaded, v)
	}
	if d := differ(want, got); d != "" {
		t.Errorf("the state changed on its way through the store:\n%s", d)
	}
}

func versionsGrow(t *testing.T, h Harness) {
	var v store.Version
	for i := range 5 {
		st := Example()
		st.Step = i
		next := save(t, h.Store, "churn", st, v)
		if next <= v {
			t.Fatalf("version %d after %d", next, v)
		}
		v = next
	}
	if st, _ := load(t, h.Store, "churn"); st.Step != 4 {
		t.Errorf("loaded step %d, saved 4 last", st.Step)
	}
}

func conflict(t *testing.T, h Harness) {
	first := save(t, h.Store, "churn", Example(), 0)
	newer := Example()
	newer.Reason = "newer"
	second := save(t, h.Store, "churn", newer, first)
	for _, v := range []store.Version{0, first, second + 1} {
		if _, err := h.Store.Save(t.Context(), "churn", Example(), v); !errors.Is(err, store.ErrConflict) {
			t.Errorf("save at version %d while %d is stored: error %v, want ErrConflict", v, second, err)
		}
	}
	if got, v := load(t, h.Store, "churn"); v != second || got.Reason != "newer" {
		t.Errorf("a refused save left version %d, reason %q", v, got.Reason)
	}
}

func rolloutsAreApart(t *testing.T, h Harness) {
	for i, id := range []rollout.ID{"a", "a/b", "ab", "ä"} {
		st := Example()
		st.Step = i
		save(t, h.Store, id, st, 0)
	}
	for i, id := range []rollout.ID{"a", "a/b", "ab", "ä"} {
		if st, _ := load(t, h.Store, id); st.Step != i {
			t.Errorf("rollout %s holds step %d, want %d", id, st.Step, i)
		}
	}
}

func loadedIsCopy(t *testing.T, h Harness) {
	st := Example()
	save(t, h.Store, "churn", st, 0)
	st.Seen[0] = "changed after the save"
	got, _ := load(t, h.Store, "churn")
	got.Retired["y"] = rollout.Past{}
	if again, _ := load(t, h.Store, "churn"); differ(Example(), again) != "" {
		t.Errorf("the stored state changed with its caller's:\n%s", differ(Example(), again))
	}
}

func oneWinner(t *testing.T, h Harness) {
	const rivals = 8
	won := make(chan error, rivals)
	for range rivals {
		go func() {
			_, err := h.Store.Save(t.Context(), "churn", Example(), 0)
			won <- err
		}()
	}
	winners := 0
	for range rivals {
		switch err := <-won; {
		case err == nil:
			winners++
		case !errors.Is(err, store.ErrConflict):
			t.Errorf("error %v, want ErrConflict", err)
		}
	}
	if winners != 1 {
		t.Errorf("%d of %d saves of the same version succeeded", winners, rivals)
	}
}

func durable(t *testing.T, h Harness) {
	if h.Reopen == nil {
		return
	}
	v := save(t, h.Store, "churn", Example(), 0)
	appendAll(t, h.Journal, "churn", record(store.EventRecord, 1))
	s, j := h.Reopen(t)
	got, loaded := load(t, s, "churn")
	if loaded != v || differ(Example(), got) != "" {
		t.Errorf("after reopening: version %d (saved %d)\n%s", loaded, v, differ(Example(), got))
	}
	if rs := read(t, j, "churn", store.EventRecord, 10); len(rs) != 1 {
		t.Errorf("after reopening the journal holds %d records, want 1", len(rs))
	}
	save(t, s, "churn", got, loaded)
}

func record(kind store.RecordKind, i int) store.Record {
	return store.Record{Kind: kind, ID: fmt.Sprintf("%020d", i), Data: fmt.Appendf(nil, `{"n":%d}`, i)}
}

func appendAll(t *testing.T, j store.Journal, id rollout.ID, rs ...store.Record) {
	t.Helper()
	if err := j.Append(t.Context(), id, rs...); err != nil {
		t.Fatalf("append: %v", err)
	}
}

func read(t *testing.T, j store.Journal, id rollout.ID, kind store.RecordKind, limit int) []store.Record {
	t.Helper()
	rs, err := j.Read(t.Context(), id, kind, limit)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return rs
}

func journalOrder(t *testing.T, h Harness) {
	appendAll(t, h.Journal, "churn", record(store.BlockRecord, 2), record(store.BlockRecord, 3))
	appendAll(t, h.Journal, "churn", record(store.BlockRecord, 1), record(store.BlockRecord, 4))
	var all []store.Record
	for i := 1; i <= 4; i++ {
		all = append(all, record(store.BlockRecord, i))
	}
	for _, c := range []struct {
		limit int
		want  []store.Record
	}{{10, all}, {4, all}, {2, all[2:]}, {1, all[3:]}, {0, nil}} {
		if d := differ(c.want, read(t, h.Journal, "churn", store.BlockRecord, c.limit)); d != "" {
			t.Errorf("limit %d:\n%s", c.limit, d)
		}
	}
}

func journalOnce(t *testing.T, h Harness) {
	first := record(store.EventRecord, 1)
	again := first
	again.Data = []byte(`{"n":"another"}`)
	appendAll(t, h.Journal, "churn", first, first)
	appendAll(t, h.Journal, "churn", again)
	if d := differ([]store.Record{first}, read(t, h.Journal, "churn", store.EventRecord, 10)); d != "" {
		t.Errorf("a record appended twice:\n%s", d)
	}
}

func journalApart(t *testing.T, h Harness) {
	appendAll(t, h.Journal, "a", record(store.EventRecord, 1), record(store.BlockRecord, 1))
	appendAll(t, h.Journal, "a/b", record(store.EventRecord, 2))
	if d := differ([]store.Record{record(store.EventRecord, 1)}, read(t, h.Journal, "a", store.EventRecord, 10)); d != "" {
		t.Errorf("events of a:\n%s", d)
	}
	if d := differ([]store.Record{record(store.BlockRecord, 1)}, read(t, h.Journal, "a", store.BlockRecord, 10)); d != "" {
		t.Errorf("blocks of a:\n%s", d)
	}
	if rs := read(t, h.Journal, "none", store.EventRecord, 10); len(rs) != 0 {
		t.Errorf("a rollout never heard of has %d events", len(rs))
	}
}

func journalBound(t *testing.T, h Harness) {
	total := 2*h.MaxRecords + 1
	for i := range total {
		appendAll(t, h.Journal, "churn", record(store.BlockRecord, i))
	}
	rs := read(t, h.Journal, "churn", store.BlockRecord, total)
	if len(rs) != h.MaxRecords {
		t.Fatalf("the journal holds %d records, want %d", len(rs), h.MaxRecords)
	}
	if rs[len(rs)-1].ID != record(store.BlockRecord, total-1).ID {
		t.Error("the newest record is gone")
	}
	appendAll(t, h.Journal, "churn", record(store.BlockRecord, 0)) // older than all that is kept
	if n := len(read(t, h.Journal, "churn", store.BlockRecord, total)); n != h.MaxRecords {
		t.Errorf("after an old record the journal holds %d, want %d", n, h.MaxRecords)
	}
}

func endedContext(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := h.Store.Save(ctx, "churn", Example(), 0)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("save with an ended context: %v", err)
		}
		if _, v := load(t, h.Store, "churn"); (err == nil) != (v == 1) {
			t.Errorf("save said %v, but version %d is stored", err, v)
		}
	})
	wg.Wait()
}
