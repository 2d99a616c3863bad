package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// TestRecord: both orders hold the same number of blocks of every rollout, in
// the order of their times, and about as many bytes as were asked for.
func TestRecord(t *testing.T) {
	for _, o := range []order{successive, interleaved} {
		r := newRecord(o, 7, 100_000)
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(text)) != r.length || len(text) < 80_000 || len(text) > 120_000 {
			t.Errorf("%s: %d bytes, said %d, want about 100,000", o, len(text), r.length)
		}
		last, changes, before := map[string]int{}, 0, ""
		for line := range bytes.Lines(text) {
			var b struct {
				Rollout string
				T       int
			}
			if err := json.Unmarshal(line, &b); err != nil {
				t.Fatalf("%s: %v: %s", o, err, line)
			}
			if b.T != last[b.Rollout]+15 {
				t.Fatalf("%s: block %d of %s after %d", o, b.T, b.Rollout, last[b.Rollout])
			}
			last[b.Rollout] = b.T
			if b.Rollout != before {
				changes++
			}
			before = b.Rollout
		}
		if want := map[order]int{successive: 7, interleaved: int(r.written)}[o]; len(last) != 7 || changes != want {
			t.Errorf("%s: %d rollouts in %d stretches, want 7 in %d", o, len(last), changes, want)
		}
	}
}

// TestRun judges a small record by the real command.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command")
	}
	var out strings.Builder
	if err := run(t.Context(), &out, 1<<20, 20); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, "\n") != 4 || !strings.Contains(got, "| interleaved | 20 |") {
		t.Errorf("printed\n%s", got)
	}
}
