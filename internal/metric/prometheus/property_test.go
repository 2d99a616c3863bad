package prometheus_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/metric"
)

// TestBlocksAddUp: whenever blocks end, whichever of them are saved, and however
// often processes begin anew, every increment between two scrapes after the
// beginning is counted once, and so is what a process counted before its first.
func TestBlocksAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, nil)
		// One was there before: the server is known to have scraped.
		w.pod("stable", "first", "requests_total", -7, 5, 5)
		var want [2]int64
		for n := range rapid.IntRange(1, 4).Draw(rt, "processes") {
			canary := rapid.IntRange(0, 1).Draw(rt, "canary")
			begin := rapid.IntRange(-20, 400).Draw(rt, "begin")
			want[canary] += live(rt, w, []string{"stable", "canary"}[canary], fmt.Sprint("p", n), begin)
		}
		var got [2]int64
		for now, done := 0, false; !done; {
			now += rapid.IntRange(1, 90).Draw(rt, "block")
			if done = now > 700; done {
				now = 1000
			}
			s, err := w.source.Collect(t.Context(), w.query, metric.Window{After: w.cursor, Start: noon, End: at(float64(now + 10)), Weight: .05})
			if err != nil {
				rt.Fatal(err)
			}
			if !done && rapid.IntRange(0, 3).Draw(rt, "fate") == 0 {
				continue // the save failed
			}
			w.cursor = s.Cursor
			got[0] += s.Metrics["errors"].Stable.N
			got[1] += s.Metrics["errors"].Canary.N
		}
		if got != want {
			rt.Errorf("counted %v, want %v", got, want)
		}
	})
}

// live scrapes a process that restarts and is missed now and then, and returns how
// much of it is to be counted from noon on.
func live(rt *rapid.T, w *world, arm, name string, begin int) (want int64) {
	value, shown, last := 0, -1, 0
	for i := range rapid.IntRange(2, 25).Draw(rt, "scrapes") {
		at, gain := begin+10*i, 0
		switch fate := rapid.IntRange(0, 9).Draw(rt, "fate"); {
		case fate == 0 && shown > 0: // a restart, which shows only as a value that fell
			value = rapid.IntRange(0, shown-1).Draw(rt, "anew")
			gain = value
		default:
			value += rapid.IntRange(0, 50).Draw(rt, "more")
			gain = value - max(shown, 0)
			if fate < 4 {
				continue // the scrape failed
			}
		}
		w.pod(arm, name, "requests_total", float64(at), value)
		if shown < 0 {
			last = at - 10 // it is taken to have begun since the scrape before
		}
		if last >= 0 {
			want += int64(gain)
		}
		shown, last = value, at
	}
	return want
}
