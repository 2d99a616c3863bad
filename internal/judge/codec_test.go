package judge

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// TestCodecKeepsEveryBit: whatever the stage of a record, what comes back is what
// was put away, and goes on in the same way.
func TestCodecKeepsEveryBit(t *testing.T) {
	rules, err := NewRules(everyKind(), Both)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	s := newStream("r", 4, .01, .012)
	for i := range 60 {
		if i == 40 {
			s.canary = .3
		}
		s.all(&text)
	}
	d := newDecoder(rules.config)
	var straight, spared Rollout
	failed := false
	for line := range bytes.Lines(text.Bytes()) {
		_, b, err := d.line(bytes.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []*Rollout{&straight, &spared} {
			if err := o.Add(rules, b); err != nil {
				t.Fatal(err)
			}
		}
		data, err := c.encode(kept{Live: &spared})
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.decode(data)
		if err != nil {
			t.Fatal(err)
		}
		spared = *back.Live
		want, _ := json.Marshal(straight)
		got, err := json.Marshal(spared)
		if err != nil || !bytes.Equal(want, got) {
			t.Fatalf("after block %d: %v\nwant %s\ngot  %s", straight.State.Blocks, err, want, got)
		}
		failed = failed || straight.State.Verdict.Decision == analysis.Fail
	}
	if !failed {
		t.Error("the record never failed: a Fail was not tried")
	}
	if _, err := c.decode([]byte("nonsense")); err == nil {
		t.Error("nonsense was read")
	}
}
