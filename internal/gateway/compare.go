package gateway

import (
	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// generated is the text of an answer, if anything was.
type generated struct {
	of   string
	some bool
}

// comparesTexts reports whether mirrored answers are compared by their texts.
func (d *Decision) comparesTexts() bool {
	return d.Protocol == inference.OpenAI && d.route.table.Split.Compare.MinSimilarity > 0
}

// textOf is the text of an answer, where texts are compared.
func textOf(d *Decision, res *Result) generated {
	switch {
	case !d.comparesTexts() || res.Failed || res.Status >= 300:
		return generated{}
	case res.Stream != nil:
		return generated{res.Stream.Text, true}
	case res.Body == nil || res.Encoded:
		return generated{}
	}
	s, ok := inference.Text(d.Protocol, res.Body)
	return generated{s, ok}
}

// compare says how the two answers differ.
func (c *mirrored) compare() telemetry.Pair {
	by := &c.d.route.table.Split.Compare
	pair := telemetry.Pair{
		StableBad: c.bad, CanaryBad: c.res.Failed,
		StableLatency: c.latency, CanaryLatency: c.res.Latency,
	}
	if c.bad || c.res.Failed {
		return pair
	}
	pair.Aspects[telemetry.Latencies] = agreement(!by.Slower(c.latency, c.res.Latency))
	if a, b := c.texts[traffic.Stable], c.texts[traffic.Canary]; a.some || b.some {
		same := a.some == b.some && inference.Similarity(a.of, b.of) >= by.MinSimilarity
		pair.Aspects[telemetry.Texts] = agreement(same)
	}
	if c.read && c.res.read {
		predictions(&pair, c.preds, c.res.preds, by)
	}
	return pair
}

func agreement(agree bool) telemetry.Agreement {
	if agree {
		return telemetry.Agrees
	}
	return telemetry.Differs
}

// predictions compares two lists of predictions: as a whole, where they differ
// in number, in a class or, where there is no class, in a number; and by classes
// and by numbers alone. Predictions that could not be read on either side are
// passed over.
func predictions(pair *telemetry.Pair, a, b []inference.Prediction, by *traffic.Compare) {
	note := func(of telemetry.Aspect, some, same bool) {
		if some && pair.Aspects[of] != telemetry.Differs {
			pair.Aspects[of] = agreement(same)
		}
	}
	if len(a) != len(b) {
		pair.Comparable, pair.Disagree = true, true
		note(telemetry.Classes, true, false)
		note(telemetry.Values, true, false)
		return
	}
	for i := range a {
		x, y := &a[i], &b[i]
		if x.Unread() || y.Unread() {
			continue
		}
		pair.Comparable = true
		classes := x.HasClass == y.HasClass && x.Class == y.Class
		m, hasM := scoreOf(x)
		n, hasN := scoreOf(y)
		numbers := hasM == hasN && (!hasM || by.Near(m, n))
		note(telemetry.Classes, x.HasClass || y.HasClass, classes)
		note(telemetry.Values, hasM || hasN, numbers)
		if x.HasClass || y.HasClass {
			pair.Disagree = pair.Disagree || !classes
		} else {
			pair.Disagree = pair.Disagree || !numbers
		}
	}
}
