package rollout_test

import (
	"encoding/json"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// roundTrip writes s as a store does and reads it back.
func roundTrip(t tester, s rollout.State) rollout.State {
	t.Helper()
	return jsonCopy(t, s)
}

// copyObservation returns a copy that shares no memory with o.
func copyObservation(t tester, o rollout.Observation) rollout.Observation {
	t.Helper()
	return jsonCopy(t, o)
}

func jsonCopy[T any](t tester, in T) T {
	t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
