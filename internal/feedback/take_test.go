package feedback

import (
	"testing"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// What is being written must not grow meanwhile: it would be counted twice. Even
// when nothing but a request ID waits to be written.
func TestWhatIsWrittenDoesNotGrow(t *testing.T) {
	w := newWorld(t)
	if err := w.ledger.Flush(); err != nil {
		t.Fatal(err)
	}
	taken := w.ledger.take()
	w.ledger.Predicted(traffic.Stable, "yes", w.now())
	if len(taken) != 0 {
		t.Errorf("%d predictions came after it was taken", len(taken))
	}
	if again := w.ledger.take(); len(again) != 1 {
		t.Errorf("%d predictions wait, want the one that came after", len(again))
	}
}
