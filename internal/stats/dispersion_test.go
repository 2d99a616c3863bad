package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestPhiByHand(t *testing.T) {
	// Two stretches of 1000 at 1% and 2%: z = 0.01²/(v(1/1000+1/1000)).
	var d Dispersion
	v := .01 * .99
	d.Observe(Stretch{1000, 10}, Stretch{100, 1}, v, v)
	d.Observe(Stretch{1000, 20}, Stretch{100, 5}, v, v)
	zB := 1e-4 / (v * 2e-3)
	zC := .04 * .04 / (v * 2e-2)
	near(t, "Σz stable", d.Stable.Sum, zB, 1e-12)
	near(t, "Σz canary", d.Canary.Sum, zC, 1e-12)
	phiB := (4 + zB) / 5
	near(t, "φ", d.Phi(), math.Max(phiB, (10*phiB+zC)/11), 1e-12)
}

// TestTemperLeans: half a standard error less against a rollback, half an error
// more against a promotion; nothing where nothing was compared.
func TestTemperLeans(t *testing.T) {
	var d Dispersion
	near(t, "φ of nothing", d.Temper().Phi, 1, 0)
	near(t, "for a promotion", d.Temper().ForPromotion().Phi, 1, 0)
	v := .01 * .99
	for i := range 9 { // z = 2 each, both arms
		step := math.Sqrt(2 * v * 2e-3)
		d.Observe(Stretch{1000, 10 + 1000*step*float64(i%2)}, Stretch{1000, 10 + 1000*step*float64(i%2)}, v, v)
	}
	arms := func(errors float64) float64 {
		b := math.Max(1, (4+16+errors*math.Sqrt(24))/12)
		return math.Max(1, math.Max(b, (10*b+16+errors*math.Sqrt(24))/18))
	}
	near(t, "φ", d.Phi(), arms(0), 1e-9)
	near(t, "against a rollback", d.Temper().Phi, arms(-.5), 1e-9)
	near(t, "against a promotion", d.Temper().ForPromotion().Phi, arms(.5), 1e-9)
	near(t, "of a temper without", Temper{Phi: 3}.ForPromotion().Phi, 3, 0)
}

func TestThinBlocksAreGathered(t *testing.T) {
	var d Dispersion
	v := .01 * .99
	for range 5 { // 100 requests at 1%: one expected failure each
		d.Observe(Stretch{100, 1}, Stretch{5, 0}, v, v)
	}
	if d.Stable.Last.N != 0 || d.Stable.Open.N != 500 {
		t.Errorf("closed a stretch with too few expected hits: %+v", d.Stable)
	}
	d.Observe(Stretch{100, 1}, Stretch{5, 0}, v, v)
	if d.Stable.Last.N != 600 || d.Canary.Last.N != 30 {
		t.Errorf("stretches %+v and %+v, want both arms closed together", d.Stable, d.Canary)
	}
}

func TestHoldEndsAfterEightBlocks(t *testing.T) {
	var d Dispersion
	v := .01 * .99
	observe := func(canary float64) { d.Observe(Stretch{1000, 10}, Stretch{canary, 0}, v, v) }
	for range 20 {
		observe(0)
	}
	if !d.Temper().Hold {
		t.Error("released by blocks without canary")
	}
	for range heldBlocks - 1 {
		observe(50)
	}
	if !d.Temper().Hold {
		t.Error("released before the eighth canary block")
	}
	observe(50)
	if d.Temper().Hold {
		t.Error("still held after the eighth canary block")
	}
}

func TestHoldWaitsForSomethingToCompare(t *testing.T) {
	var d Dispersion
	for i := range maxHeld {
		if !d.Temper().Hold {
			t.Fatalf("released after %d blocks with nothing to estimate from", i)
		}
		d.Observe(Stretch{1, 0}, Stretch{1, 0}, 1e-3, 1e-3)
	}
	if d.Temper().Hold {
		t.Error("held for ever at low traffic")
	}
}

func TestFreshKeepsTheEstimate(t *testing.T) {
	var d Dispersion
	v := .01 * .99
	for i := range 9 {
		d.Observe(Stretch{1000, float64(10 * (i%2 + 1))}, Stretch{50, 1}, v, v)
	}
	f := d.Fresh()
	near(t, "φ", f.Phi(), d.Phi(), 0)
	f.Observe(Stretch{1000, 900}, Stretch{50, 40}, v, v)
	near(t, "φ after another event", f.Phi(), d.Phi(), 0)
}

// TestPhiFindsBursts: independent failures give φ near 1, bursts of geometric
// size with mean m give φ near 2m−1.
func TestPhiFindsBursts(t *testing.T) {
	for _, c := range []struct{ mean, low, high float64 }{{1, 1, 1.15}, {2, 2.4, 3.6}, {8, 12, 18}} {
		r := rand.New(rand.NewPCG(3, uint64(c.mean)))
		var d Dispersion
		draw := func(n float64) float64 {
			k := 0.0
			for range 20000 { // n·p/m bursts on average, as a thinned Poisson process
				if r.Float64() < n*.01/c.mean/20000 {
					k++
					for c.mean > 1 && r.Float64() < 1-1/c.mean {
						k++
					}
				}
			}
			return k
		}
		for range 300 {
			d.Observe(Stretch{1425, draw(1425)}, Stretch{75, draw(75)}, .01*.99, .01*.99)
		}
		phiB := (4 + d.Stable.Sum) / (4 + d.Stable.Count)
		if phiB < c.low-.25 || phiB > c.high {
			t.Errorf("bursts of mean %v: φ of stable %.2f, want %v to %v", c.mean, phiB, c.low-.25, c.high)
		}
		if d.Phi() < 1 {
			t.Errorf("φ = %v < 1", d.Phi())
		}
	}
}

func TestOneArm(t *testing.T) {
	var o OneArm
	for range heldBlocks {
		if !o.Temper().Hold {
			t.Fatal("released early")
		}
		o.Observe(Stretch{1000, 10}, .01*.99)
	}
	got := o.Temper()
	if got.Hold {
		t.Error("still held")
	}
	near(t, "φ of steady counts", got.Phi, 1, 0)
	o.Observe(Stretch{1000, 25}, .01*.99)
	z := .015 * .015 / (.01 * .99 * .002)
	near(t, "φ after a jump", o.Temper().Phi, (4+z)/(4+heldBlocks), 1e-12)
}

// TestOneJumpIsNoBurst: the level moves once, far; that counts for little, whereas
// jumps that keep coming count in full soon.
func TestOneJumpIsNoBurst(t *testing.T) {
	var o OneArm
	level := 10.0
	for i := range 60 {
		if i == 30 {
			level = 900
		}
		o.Observe(Stretch{1000, level}, .01*.99)
	}
	if phi := o.Temper().Phi; phi > 1.6 {
		t.Errorf("φ = %v after one jump", phi)
	}
	o = OneArm{}
	for i := range 60 {
		o.Observe(Stretch{1000, 10 + 70*float64(i%2)}, .01*.99)
	}
	if phi, want := o.Temper().Phi, .07*.07/(.01*.99*.002); phi < want/2 || phi > want {
		t.Errorf("φ = %v of jumps of %v", phi, want)
	}
}
