package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// request is a Request out of maps.
type request struct {
	headers, cookies map[string]string
	country          string
}

func (r request) Header(name string) string { return r.headers[name] }
func (r request) Cookie(name string) string { return r.cookies[name] }
func (r request) Country() string           { return r.country }

func header(name, value string) request { return request{headers: map[string]string{name: value}} }
func cookie(name, value string) request { return request{cookies: map[string]string{name: value}} }

func compileT(t testing.TB, s Split, cohorts map[string][]string) *Table {
	t.Helper()
	table, err := Compile(s, cohorts)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestCompileRefuses(t *testing.T) {
	sticky := Sticky{Header: "u"}
	for name, tt := range map[string]struct {
		split Split
		want  string
	}{
		"weight below zero":     {Split{Canary: -1}, "between 0% and 100%"},
		"weight above full":     {Split{Canary: Full + 1}, "between 0% and 100%"},
		"mirror above full":     {Split{Mirror: Full + 1}, "between 0% and 100%"},
		"two sticky places":     {Split{Sticky: Sticky{Header: "u", Cookie: "u"}}, "choose one"},
		"match of no kind":      {Split{Always: []Match{{}}}, "always[0]: a match has exactly one"},
		"match of two kinds":    {Split{Never: []Match{{Country: []string{"NL"}, Cookie: &Field{Name: "c"}}}}, "this one has 2"},
		"header without name":   {Split{Always: []Match{{Header: &Field{Exact: "1"}}}}, "no name"},
		"field, two conditions": {Split{Always: []Match{{Cookie: &Field{Name: "c", Exact: "1", Regex: "2"}}}}, "choose one of exact"},
		"bad expression":        {Split{Always: []Match{{Country: []string{"NL"}}, {Header: &Field{Name: "h", Regex: "("}}}}, "always[1]: header \"h\": regex"},
		"country in lower case": {Split{Never: []Match{{Country: []string{"nl"}}}}, "two upper-case letters"},
		"unknown cohort":        {Split{Sticky: sticky, Always: []Match{{Cohort: "beta"}}}, "routing.cohorts"},
		"cohort without sticky": {Split{Always: []Match{{Cohort: "known"}}}, "routing.stickyBy"},
	} {
		_, err := Compile(tt.split, map[string][]string{"known": {"k"}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestMatches(t *testing.T) {
	cohorts := map[string][]string{"beta": {"ann", ""}}
	for name, tt := range map[string]struct {
		match Match
		r     Request
		want  bool
	}{
		"header, any value":          {Match{Header: &Field{Name: "h"}}, header("h", "x"), true},
		"header, absent":             {Match{Header: &Field{Name: "h"}}, request{}, false},
		"header, exact":              {Match{Header: &Field{Name: "h", Exact: "yes"}}, header("h", "yes"), true},
		"header, exact is no prefix": {Match{Header: &Field{Name: "h", Exact: "yes"}}, header("h", "yes!"), false},
		"header, prefix":             {Match{Header: &Field{Name: "h", Prefix: "ye"}}, header("h", "yes"), true},
		"header, regex":              {Match{Header: &Field{Name: "h", Regex: "a|b+"}}, header("h", "bb"), true},
		"regex covers the whole":     {Match{Header: &Field{Name: "h", Regex: "a|b+"}}, header("h", "bbc"), false},
		"cookie":                     {Match{Cookie: &Field{Name: "c", Exact: "1"}}, cookie("c", "1"), true},
		"a cookie is no header":      {Match{Cookie: &Field{Name: "c"}}, header("c", "1"), false},
		"country":                    {Match{Country: []string{"SE", "NL"}}, request{country: "NL"}, true},
		"other country":              {Match{Country: []string{"SE", "NL"}}, request{country: "DE"}, false},
		"unknown country":            {Match{Country: []string{"SE", "NL"}}, request{}, false},
		"cohort":                     {Match{Cohort: "beta"}, header("user", "ann"), true},
		"not in the cohort":          {Match{Cohort: "beta"}, header("user", "bob"), false},
		"no key is not an empty key": {Match{Cohort: "beta"}, request{}, false},
	} {
		s := Split{Sticky: Sticky{Header: "user"}, Always: []Match{tt.match}, Open: true}
		c := compileT(t, s, cohorts).Pick(tt.r, 0)
		if got := c.Forced && c.Arm == Canary; got != tt.want {
			t.Errorf("%s: matched %v, want %v", name, got, tt.want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	force := []Match{{Header: &Field{Name: "h"}}}
	r := header("h", "1")
	for name, tt := range map[string]struct {
		split Split
		want  Choice
	}{
		"never wins":              {Split{Canary: Full, Always: force, Never: force, Open: true}, Choice{Arm: Stable, Forced: true}},
		"always":                  {Split{Always: force, Open: true}, Choice{Arm: Canary, Forced: true}},
		"closed: drawn at random": {Split{Canary: 0, Always: force}, Choice{Arm: Stable}},
		"never, even when closed": {Split{Canary: Full, Never: force}, Choice{Arm: Stable, Forced: true}},
		"forced is not mirrored":  {Split{Mirror: Full, Never: force}, Choice{Arm: Stable, Forced: true}},
	} {
		if got := compileT(t, tt.split, nil).Pick(r, 1); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestTableDoesNotFollowItsSource(t *testing.T) {
	countries := []string{"NL"}
	s := Split{Always: []Match{{Country: countries}}, Open: true}
	table := compileT(t, s, nil)
	s.Always[0] = Match{Country: []string{"SE"}}
	countries[0] = "SE"
	if c := table.Pick(request{country: "NL"}, 0); c.Arm != Canary {
		t.Error("the table changed with the split it was compiled from")
	}
}

// TestShares draws from a seeded generator; the bounds are five standard
// deviations, so that no healthy change of the generator's use trips them.
func TestShares(t *testing.T) {
	const n = 200_000
	rng := rand.New(rand.NewPCG(1, 2))
	for _, canary := range []Weight{1, 100, 500, 5000, 9900} {
		const mirror = Weight(2500)
		table := compileT(t, Split{Canary: canary, Mirror: mirror}, nil)
		var canaries, mirrored float64
		for range n {
			c := table.Pick(request{}, rng.Uint64())
			if c.Arm == Canary {
				canaries++
			}
			if c.Mirror {
				mirrored++
			}
			if c.Mirror && c.Arm == Canary {
				t.Fatal("the canary's own traffic was mirrored to it")
			}
		}
		near(t, "canary at "+canary.String(), canaries, n, canary.Share())
		near(t, "mirror at "+canary.String(), mirrored, n-canaries, mirror.Share())
	}
}

func near(t *testing.T, what string, k, n, p float64) {
	t.Helper()
	if sd := math.Sqrt(n * p * (1 - p)); math.Abs(k-n*p) > 5*sd {
		t.Errorf("%s: %v of %v, want about %v", what, k, n, n*p)
	}
}

func TestBucketsAreUniformAndIndependentOfTheSalt(t *testing.T) {
	const n, cells = 100_000, 10
	a, b := xxhash.Sum64String("a"), xxhash.Sum64String("b")
	var joint [cells][cells]float64
	for i := range n {
		key := fmt.Sprintf("user-%d", i)
		joint[int(Bucket(a, key))*cells/int(Full)][int(Bucket(b, key))*cells/int(Full)]++
	}
	// A chi-square of the joint table against uniform and independent: 99
	// degrees of freedom, mean 99, standard deviation 14.1.
	const want = n / float64(cells*cells)
	chi := 0.0
	for _, row := range joint {
		for _, k := range row {
			chi += (k - want) * (k - want) / want
		}
	}
	if chi > 99+5*14.1 {
		t.Errorf("chi-square %.1f over 99 degrees of freedom", chi)
	}
}

// TestBucketIsFixed keeps users on their arms across releases and machines.
func TestBucketIsFixed(t *testing.T) {
	table := compileT(t, Split{Salt: "churn", Sticky: Sticky{Header: "u"}}, nil)
	for key, want := range map[string]uint16{"user-1": 7795, "user-2": 1206, "ünïcode": 4499} {
		c := table.Pick(header("u", key), 0)
		if c.Bucket != want || c.Bucket != Bucket(xxhash.Sum64String("churn"), key) || uint16(c.KeyHash%uint64(Full)) != want {
			t.Errorf("bucket of %q is %d, want %d", key, c.Bucket, want)
		}
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	table := compileT(t, benchSplit, map[string][]string{"beta": {"someone"}})
	var r Request = header("X-User-ID", "user-1")
	draw := uint64(1)
	if n := testing.AllocsPerRun(1000, func() { draw += table.Pick(r, draw).KeyHash }); n != 0 {
		t.Errorf("Pick allocates %v times", n)
	}
}

var benchSplit = Split{
	Canary: 500, Mirror: 1000, Salt: "churn", Open: true, Sticky: Sticky{Header: "X-User-ID"},
	Always: []Match{{Header: &Field{Name: "X-Canary", Exact: "true"}}, {Country: []string{"NL", "SE"}}},
	Never:  []Match{{Cohort: "beta"}},
}

func BenchmarkPick(b *testing.B) {
	for _, bench := range []struct {
		name  string
		split Split
	}{
		{"drawn", Split{Canary: 500}},
		{"sticky", Split{Canary: 500, Salt: "churn", Sticky: Sticky{Header: "X-User-ID"}}},
		{"sticky and matched", benchSplit},
	} {
		b.Run(bench.name, func(b *testing.B) {
			table := compileT(b, bench.split, map[string][]string{"beta": {"someone"}})
			var r Request = header("X-User-ID", "user-1")
			draw := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				draw += uint64(table.Pick(r, draw).Arm) + 0x9e3779b97f4a7c15
			}
		})
	}
}
