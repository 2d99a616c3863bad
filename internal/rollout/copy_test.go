package rollout_test

import (
	"encoding/json"
	"testing"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// roundTrip writes s as a store does and reads it back.
func roundTrip(t testing.TB, s rollout.State) rollout.State {
	t.Helper()
	return jsonCopy(t, s)
}

// copyObservation returns a copy that shares no memory with o.
func copyObservation(t testing.TB, o rollout.Observation) rollout.Observation {
	t.Helper()
	return jsonCopy(t, o)
}

func jsonCopy[T any](t testing.TB, in T) T {
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
