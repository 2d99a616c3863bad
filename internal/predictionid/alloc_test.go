//go:build !race

package predictionid

import "testing"

// Under the race detector sync.Pool drops items at random, so these counts
// hold only without it.

func TestEncodeAllocatesNothing(t *testing.T) {
	c := newCodec(t, testKey)
	dst := make([]byte, 0, MaxLen)
	long := single
	long.Class = "a class name that is longer than thirty-two bytes"
	grouped := long
	grouped.Group = 7
	for name, cl := range map[string]Claims{"short class": single, "long class": long, "with a group": grouped} {
		if n := testing.AllocsPerRun(1000, func() { dst = c.AppendEncode(dst[:0], cl) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestDecodeAllocatesTheClassOnly(t *testing.T) {
	c := newCodec(t, testKey)
	id := string(c.AppendEncode(nil, single))
	n := testing.AllocsPerRun(1000, func() {
		if _, err := c.Decode(id); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1 {
		t.Errorf("%v allocations, want at most 1", n)
	}
}
