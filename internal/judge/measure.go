package judge

import (
	"math"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// measures reads the counts of every metric that is compared.
func (d *decoder) measures(v gjson.Result, b *Block) error {
	b.Metrics = make(map[string]analysis.Measure, len(d.metrics))
	return fields(v, func(name string, v gjson.Result) error {
		i, ok := d.index[name]
		if !ok {
			if !d.ignored[name] && len(d.ignored) < 100 {
				d.ignored[name] = true
			}
			return nil
		}
		x, err := d.measure(i, v)
		b.Metrics[name] = x
		d.seen[i] = true
		return err
	})
}

// measure reads the counts of one metric.
func (d *decoder) measure(i int, v gjson.Result) (analysis.Measure, error) {
	var x analysis.Measure
	kind := d.metrics[i].Kind
	err := fields(v, func(key string, v gjson.Result) error {
		switch {
		case kind == analysis.Pairs:
			return pairs(key, v, &x)
		case key == "stable":
			return arm(kind, v, &x.Stable)
		case key == "canary":
			return arm(kind, v, &x.Canary)
		case kind == analysis.Latency && key == "edges":
			return d.names[i].readEdges(v, &x.Edges)
		case (kind == analysis.Drift || kind == analysis.Outcome) && key == "bins":
			return d.names[i].readBins(v, &x.Bins)
		case kind == analysis.ErrorRate && key == "before", kind == analysis.Outcome && key == "before":
			return groups(v, &x.Before)
		case kind == analysis.Drift && key == "ordered":
			x.Ordered = v.Bool()
			if !v.IsBool() {
				return wrong("", "is %s: write true or false", brief(v))
			}
			return nil
		}
		return wrong("", "is not known here: %s", form(kind))
	})
	if err != nil {
		return x, err
	}
	return x, complete(kind, x)
}

// form says how a metric of a kind is written.
func form(k analysis.Kind) string {
	switch k {
	case analysis.Latency:
		return `a latency is {"edges":[…],"stable":{"counts":[…]},"canary":{"counts":[…]}}`
	case analysis.Drift:
		return `a drift is {"bins":[…],"stable":{"counts":[…]},"canary":{"counts":[…]}}, with "ordered":true for scores`
	case analysis.Mean:
		return `a mean is {"stable":{"n":…,"sum":…,"sumsq":…},"canary":{…}}`
	case analysis.Gauge:
		return `a gauge is {"stable":{"n":1,"sum":…},"canary":{"n":1,"sum":…}}`
	case analysis.Pairs:
		return `pairs are {"pairs":…,"disagree":…,"canaryOnlyBad":…,"stableOnlyBad":…}`
	}
	if k == analysis.Outcome {
		return `an outcome is {"stable":{"n":…,"k":…},"canary":{…}}, or by class {"bins":[…],"stable":{"counts":[…],"labelled":[…],"wrong":[…]},"canary":{…}}`
	}
	return `a share is {"stable":{"n":…,"k":…},"canary":{"n":…,"k":…}}, with optional groups beside n and k`
}

// complete checks what one field alone cannot tell.
func complete(k analysis.Kind, x analysis.Measure) error {
	arms := []struct {
		name string
		c    analysis.Counts
	}{{"stable", x.Stable}, {"canary", x.Canary}}
	for _, a := range arms {
		n := len(a.c.Counts)
		switch {
		case k == analysis.Latency && n > 0 && n != len(x.Edges)+1:
			return wrong(a.name+".counts", "has %d buckets for %d edges: write one more than edges, the last for all beyond", n, len(x.Edges))
		case k != analysis.Latency && n > 0 && n != len(x.Bins):
			return wrong(a.name+".counts", "has %d counts for %d bins", n, len(x.Bins))
		case k == analysis.Outcome && n > 0 && (len(a.c.Labelled) != n || len(a.c.Wrong) != n):
			return wrong(a.name+".labelled", "and wrong have %d and %d counts for %d bins", len(a.c.Labelled), len(a.c.Wrong), n)
		}
	}
	switch {
	case k == analysis.Latency && len(x.Edges) == 0:
		return wrong("edges", "are missing: write the upper edges of the buckets in seconds")
	case k == analysis.Drift && len(x.Bins) == 0:
		return wrong("bins", "are missing: write the names of the classes or bins")
	case k == analysis.Pairs && x.Disagree > x.Pairs:
		return wrong("disagree", "is %d of %d pairs", x.Disagree, x.Pairs)
	}
	return nil
}

// arm reads one arm's counts. An arm without traffic may be left out or empty.
func arm(kind analysis.Kind, v gjson.Result, c *analysis.Counts) error {
	var has given
	err := fields(v, func(key string, v gjson.Result) error {
		switch kind {
		case analysis.Latency, analysis.Drift:
			if key == "counts" {
				return wholes(v, &c.Counts)
			}
		case analysis.Mean, analysis.Gauge:
			return moments(key, v, c, &has)
		default:
			return hits(kind, key, v, c, &has)
		}
		return wrong("", "is not known here: %s", form(kind))
	})
	if err != nil {
		return err
	}
	return has.complete(kind, c)
}

// given is which members an arm had.
type given struct{ n, k, sum, squares bool }

func moments(key string, v gjson.Result, c *analysis.Counts, has *given) error {
	switch key {
	case "n":
		has.n = true
		return whole(v, &c.N)
	case "sum":
		has.sum = true
		return number(v, &c.Sum, math.Inf(-1), math.Inf(1))
	case "sumsq":
		has.squares = true
		return number(v, &c.SumSq, 0, math.Inf(1))
	}
	return wrong("", "is not known here: %s", form(analysis.Mean))
}

func hits(kind analysis.Kind, key string, v gjson.Result, c *analysis.Counts, has *given) error {
	switch key {
	case "n":
		has.n = true
		return whole(v, &c.N)
	case "k":
		has.k = true
		return whole(v, &c.K)
	case "groups":
		return groups(v, &c.Groups)
	}
	if kind == analysis.Outcome {
		switch key {
		case "counts":
			return wholes(v, &c.Counts)
		case "labelled":
			return wholes(v, &c.Labelled)
		case "wrong":
			return wholes(v, &c.Wrong)
		}
	}
	return wrong("", "is not known here: %s", form(kind))
}

// complete checks what belongs together.
func (g given) complete(kind analysis.Kind, c *analysis.Counts) error {
	switch {
	case kind == analysis.Latency || kind == analysis.Drift:
		return nil
	case !g.n && (g.k || g.sum || g.squares || len(c.Groups) > 0):
		return wrong("n", "is missing: write the number of trials")
	case c.N > 0 && kind == analysis.Mean && !(g.sum && g.squares):
		return wrong("sum", "and sumsq are both needed for %d values", c.N)
	case c.N > 0 && kind == analysis.Gauge && !g.sum:
		return wrong("sum", "is missing: write the reading")
	case c.N > 0 && kind != analysis.Mean && kind != analysis.Gauge && !g.k:
		return wrong("k", "is missing: write how many of the %d were hits", c.N)
	case c.K > c.N:
		return wrong("k", "is %d of %d", c.K, c.N)
	}
	return nil
}

// maxGroups is how many groups of users an arm may have.
const maxGroups = 256

// groups reads counts by group of users: each [n, k], or {"n":…,"k":…}.
func groups(v gjson.Result, out *[]analysis.Group) error {
	if !v.IsArray() {
		return wrong("", "is %s: write a list of [n, k], one for each group of users", brief(v))
	}
	list := make([]analysis.Group, 0, 100)
	var err error
	v.ForEach(func(_, v gjson.Result) bool {
		var g analysis.Group
		switch {
		case len(list) == maxGroups:
			err = wrong("", "has more than %d groups", maxGroups)
			return false
		case v.IsArray():
			err = pairOf(v, &g)
		default:
			var c analysis.Counts
			err = fields(v, func(key string, v gjson.Result) error { return hits(analysis.ErrorRate, key, v, &c, &given{}) })
			g = analysis.Group{N: c.N, K: c.K}
		}
		if err == nil && g.K > g.N {
			err = wrong("", "is %d of %d", g.K, g.N)
		}
		if err != nil {
			err = within("["+strconv.Itoa(len(list))+"]", err)
			return false
		}
		list = append(list, g)
		return true
	})
	*out = list
	return err
}

// pairOf reads [n, k].
func pairOf(v gjson.Result, g *analysis.Group) error {
	var both []int64
	if err := wholes(v, &both); err != nil {
		return err
	}
	if len(both) != 2 {
		return wrong("", "is %s: write [n, k]", brief(v))
	}
	g.N, g.K = both[0], both[1]
	return nil
}

func pairs(key string, v gjson.Result, x *analysis.Measure) error {
	switch key {
	case "pairs":
		return whole(v, &x.Pairs)
	case "disagree":
		return whole(v, &x.Disagree)
	case "canaryOnlyBad":
		return whole(v, &x.CanaryOnlyBad)
	case "stableOnlyBad":
		return whole(v, &x.StableOnlyBad)
	}
	return wrong("", "is not known here: %s", form(analysis.Pairs))
}

// wholes reads a list of counts whose sum is a count too.
func wholes(v gjson.Result, out *[]int64) error {
	if !v.IsArray() {
		return wrong("", "is %s: write a list of counts", brief(v))
	}
	list := make([]int64, 0, 16)
	var err error
	total := int64(0)
	v.ForEach(func(_, v gjson.Result) bool {
		var n int64
		if err = whole(v, &n); err != nil {
			err = within("["+strconv.Itoa(len(list))+"]", err)
			return false
		}
		if total += n; total > maxCount {
			err = wrong("", "sums to more than 2^53")
			return false
		}
		list = append(list, n)
		return true
	})
	*out = list
	return err
}
