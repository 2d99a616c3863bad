package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/inference"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

type aspects = [telemetry.NumAspects]telemetry.Agreement

func TestPredictionsComparedByAspect(t *testing.T) {
	class := func(name string, confidence float64) inference.Prediction {
		return inference.Prediction{Class: name, HasClass: true, Confidence: confidence, HasConfidence: true}
	}
	number := func(x float64) inference.Prediction { return inference.Prediction{Value: x, HasValue: true} }
	list := func(ps ...inference.Prediction) []inference.Prediction { return ps }
	const no, yes, differs = telemetry.NotCompared, telemetry.Agrees, telemetry.Differs
	for name, tt := range map[string]struct {
		a, b         []inference.Prediction
		by           traffic.Compare
		whole        bool // they disagree as a whole
		class, value telemetry.Agreement
	}{
		"the same":               {list(class("a", .9)), list(class("a", .9)), traffic.Compare{}, false, yes, yes},
		"another class":          {list(class("a", .9)), list(class("b", .9)), traffic.Compare{}, true, differs, yes},
		"another confidence":     {list(class("a", .9)), list(class("a", .7)), traffic.Compare{}, false, yes, differs},
		"and within a tolerance": {list(class("a", .9)), list(class("a", .7)), traffic.Compare{Tolerance: .3}, false, yes, yes},
		"numbers":                {list(number(100)), list(number(104)), traffic.Compare{Relative: .05}, false, no, yes},
		"numbers too far":        {list(number(100)), list(number(104)), traffic.Compare{Tolerance: 3}, true, no, differs},
		"one of two":             {list(number(1), number(2)), list(number(1), number(9)), traffic.Compare{}, true, no, differs},
		"one of two, the first":  {list(number(9), number(2)), list(number(1), number(2)), traffic.Compare{}, true, no, differs},
		"fewer":                  {list(number(1), number(2)), list(number(1)), traffic.Compare{}, true, differs, differs},
		"unread":                 {list(inference.Prediction{}), list(number(1)), traffic.Compare{}, false, no, no},
	} {
		var p telemetry.Pair
		predictions(&p, tt.a, tt.b, &tt.by)
		want := aspects{telemetry.Classes: tt.class, telemetry.Values: tt.value}
		if p.Disagree != tt.whole || p.Aspects != want {
			t.Errorf("%s: disagree %v, aspects %v, want %v, %v", name, p.Disagree, p.Aspects, tt.whole, want)
		}
	}
}

// TestTextsCompared: unary answers and streams, in any mixture, by what was
// generated.
func TestTextsCompared(t *testing.T) {
	unary := func(text string) http.Handler {
		return answer("application/json", `{"choices":[{"finish_reason":"stop","message":{"content":"`+text+`"}}]}`)
	}
	stream := func(words ...string) http.Handler {
		all := ""
		for _, w := range words {
			all += chunk(w)
		}
		return answer("text/event-stream", all+"data: [DONE]\n\n")
	}
	const long, near = "The invoice is due on the first of May.", "The invoice is due on the first of June."
	for name, tt := range map[string]struct {
		stable, canary http.Handler
		least          float64
		want           telemetry.Agreement
	}{
		"the same":               {unary(long), unary(long), .99, telemetry.Agrees},
		"alike":                  {unary(long), unary(near), .7, telemetry.Agrees},
		"not alike enough":       {unary(long), unary(near), .95, telemetry.Differs},
		"another":                {unary(long), unary("No."), .5, telemetry.Differs},
		"streams":                {stream("The invoice ", "is due"), stream("The ", "invoice is due"), .99, telemetry.Agrees},
		"other streams":          {stream("The invoice"), stream("42"), .5, telemetry.Differs},
		"a stream and an answer": {stream("The invoice"), unary("The invoice"), .99, telemetry.Agrees},
		"no text on one side":    {unary(long), answer("application/json", `{"choices":[{"finish_reason":"tool_calls","message":{"content":null}}]}`), .1, telemetry.Differs},
		"nobody asks":            {unary(long), unary("No."), 0, telemetry.NotCompared},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, tt.stable, tt.canary)
			split := mirrorAll
			split.Compare.MinSimilarity = tt.least
			r.split(t, split)
			do(t, client(t), "POST", r.url(chatPath), `{}`)
			r.ledger.await(t, "the pair", func() bool { return len(r.ledger.pairs) == 1 })
			if p := r.ledger.pairs[0]; p.Aspects[telemetry.Texts] != tt.want || p.StableBad || p.CanaryBad {
				t.Errorf("recorded %+v, want %v", p, tt.want)
			}
		})
	}
}

func TestLatenciesOfPairsCompared(t *testing.T) {
	c := &mirrored{latency: 100 * time.Millisecond}
	c.d.route = &route{}
	c.res.Latency = 120 * time.Millisecond
	for share, want := range map[float64]telemetry.Agreement{0: telemetry.Agrees, .1: telemetry.Differs, .3: telemetry.Agrees} {
		c.d.route.table.Split.Compare.SlowerShare = share
		if got := c.compare(); got.Aspects != (aspects{telemetry.Latencies: want}) {
			t.Errorf("20%% slower, allowed %v: %v, want %v", share, got.Aspects, want)
		}
	}
	c.res.Failed = true
	if diff := cmp.Diff(aspects{}, c.compare().Aspects); diff != "" {
		t.Errorf("a failed answer was compared:\n%s", diff)
	}
}
