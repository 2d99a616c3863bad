//go:build !race

package gateway

import "testing"

// Under the race detector sync.Pool drops items at random, so these counts hold
// only without it.
func TestDecideAndObserveDoNotAllocate(t *testing.T) {
	p, r := everything(t, countryFile(t))
	if n := testing.AllocsPerRun(2000, func() {
		if d := p.Decide(r); !d.Ready() {
			t.Fatal("no table")
		}
	}); n != 0 {
		t.Errorf("Decide allocates %v times", n)
	}
	d := p.Decide(r)
	body := []byte(oip("0.9"))
	var res Result
	if n := testing.AllocsPerRun(2000, func() {
		res.answered(r.Head)
		res.Body = body
		p.Observe(&d, &res)
	}); n != 0 {
		t.Errorf("Observe with the reading of the answer allocates %v times", n)
	}
	if !res.read {
		t.Error("the answer was not read")
	}
	// The ID itself is a string, the only thing that outlives the call.
	if n := testing.AllocsPerRun(2000, func() {
		res.answered(r.Head)
		res.Body = body
		p.Identify(&d, &res)
	}); n > 1 {
		t.Errorf("Identify allocates %v times, want 1", n)
	}
}
