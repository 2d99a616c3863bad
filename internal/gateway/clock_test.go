package gateway

import (
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestPredictionsAreDatedAsAsked: what is told of a prediction, of its
// mirrored copy, and the ID that its label comes back with agree, while
// latencies stay what they are.
func TestPredictionsAreDatedByTheGivenClock(t *testing.T) {
	begun := time.Now()
	const ahead = 48 * time.Hour
	events := make(chan PredictionEvent, 2)
	up := answer("application/json", oip("0.9"))
	r := start(t, up, up, func(c *Config) {
		c.Date = func(t time.Time) time.Time { return t.Add(ahead) }
		c.OnPrediction = func(e PredictionEvent) { events <- e }
	})
	r.split(t, mirrorAll)
	_, _ = do(t, client(t), "POST", r.url(inferPath), `{"inputs":[]}`)
	for range 2 {
		e := <-events
		claims, err := r.codec.Decode(e.PredictionID)
		must(t, err)
		for what, at := range map[string]time.Time{"event": e.Time, "ID": claims.Time} {
			if d := at.Sub(begun); d < ahead-time.Second || d > ahead+patience {
				t.Errorf("%s of a prediction (mirrored: %v) is dated %s after the start, want %s", what, e.Mirrored, d, ahead)
			}
		}
	}
	if x := r.ledger.exchange(t, 0); x.Latency <= 0 || x.Latency > patience {
		t.Errorf("latency %s on %s", x.Latency, traffic.Stable)
	}
}
