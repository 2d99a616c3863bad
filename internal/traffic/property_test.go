package traffic

import (
	"testing"

	"pgregory.net/rapid"
)

func weights(t *rapid.T, label string) Weight {
	return Weight(rapid.IntRange(0, int(Full)).Draw(t, label))
}

// TestRaisingTheWeightNeverMovesAKeyBack is the promise of sticky cohorts.
func TestRaisingTheWeightNeverMovesAKeyBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low, high := weights(t, "low"), weights(t, "high")
		if low > high {
			low, high = high, low
		}
		s := Split{Canary: low, Salt: rapid.String().Draw(t, "salt"), Sticky: Sticky{Cookie: "id"}}
		r := cookie("id", rapid.StringN(1, 20, -1).Draw(t, "key"))
		before := mustCompile(t, s).Pick(r, rapid.Uint64().Draw(t, "draw"))
		s.Canary, s.Generation = high, 1
		after := mustCompile(t, s).Pick(r, rapid.Uint64().Draw(t, "another draw"))
		if before.Arm == Canary && after.Arm != Canary {
			t.Fatalf("bucket %d left the canary when the weight rose from %s to %s", before.Bucket, low, high)
		}
		if before.Bucket != after.Bucket || before.KeyHash != after.KeyHash || !before.Keyed {
			t.Fatalf("the key changed its bucket: %+v, %+v", before, after)
		}
	})
}

// TestEndsOfTheScale: at no weight nobody but a forced request reaches the
// canary, at full weight everybody but a forced one does.
func TestEndsOfTheScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Split{
			Canary: rapid.SampledFrom([]Weight{0, Full}).Draw(t, "weight"),
			Mirror: weights(t, "mirror"),
			Open:   rapid.Bool().Draw(t, "open"),
			Always: []Match{{Header: &Field{Name: "in"}}},
			Never:  []Match{{Header: &Field{Name: "out"}}},
		}
		if rapid.Bool().Draw(t, "sticky") {
			s.Sticky.Header = "user"
		}
		r := request{headers: map[string]string{}}
		for _, name := range []string{"in", "out", "user"} {
			if rapid.Bool().Draw(t, name) {
				r.headers[name] = rapid.StringN(1, 5, -1).Draw(t, name+" value")
			}
		}
		table := mustCompile(t, s)
		draw := rapid.Uint64().Draw(t, "draw")
		c := table.Pick(r, draw)
		if again := table.Pick(r, draw); again != c {
			t.Fatalf("equal inputs gave %+v and %+v", c, again)
		}
		want := Stable
		if s.Canary == Full {
			want = Canary
		}
		if !c.Forced && c.Arm != want {
			t.Fatalf("at %s a request went to %s", s.Canary, c.Arm)
		}
		if c.Forced && (c.Mirror || c.Keyed || c.KeyHash != 0) {
			t.Fatalf("a forced request was also drawn: %+v", c)
		}
		if c.Mirror && c.Arm == Canary {
			t.Fatal("the canary's own traffic was mirrored to it")
		}
	})
}

func mustCompile(t *rapid.T, s Split) *Table {
	table, err := Compile(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// FuzzCompile: whatever the file says, compiling refuses or gives a table that
// can pick.
func FuzzCompile(f *testing.F) {
	f.Add("name", "exact", "", "", "NL", 500)
	f.Add("name", "", "", "a(b", "", -1)
	f.Fuzz(func(t *testing.T, name, exact, prefix, regex, country string, weight int) {
		s := Split{
			Canary: Weight(weight), Open: true,
			Always: []Match{{Header: &Field{Name: name, Exact: exact, Prefix: prefix, Regex: regex}}},
		}
		if country != "" {
			s.Never = []Match{{Country: []string{country}}}
		}
		table, err := Compile(s, nil)
		if err != nil {
			return
		}
		r := header(name, exact+prefix)
		r.country = country
		c := table.Pick(r, 1)
		if country != "" && (c.Arm != Stable || !c.Forced) {
			t.Fatalf("never by country %q gave %+v", country, c)
		}
	})
}
