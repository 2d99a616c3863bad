package app

import (
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// ladder is what any strategy of the file becomes: steps, an end, and two times.
type ladder struct {
	steps                  []rollout.Step
	end                    rollout.End
	readyWithin, scaleDown time.Duration
}

// compile turns a validated strategy into the ladder that the core climbs.
func compile(s v1alpha1.Strategy) ladder {
	switch {
	case s.BlueGreen != nil:
		b := s.BlueGreen
		return ladder{steps: blueGreen(b), readyWithin: b.ReadyWithin.Duration, scaleDown: b.ScaleDownDelay.Duration}
	case s.Shadow != nil:
		x := s.Shadow
		return ladder{
			steps: []rollout.Step{{Shadow: share(*x.Percent), For: x.For.Duration}}, end: rollout.EndReport,
			readyWithin: x.ReadyWithin.Duration, scaleDown: x.ScaleDownDelay.Duration,
		}
	}
	c := s.Canary
	return ladder{steps: steps(c.Steps), readyWithin: c.ReadyWithin.Duration, scaleDown: c.ScaleDownDelay.Duration}
}

// blueGreen is a preview, a person's word where one is asked for, one switch
// with a bake at its weight, and the promotion.
func blueGreen(b *v1alpha1.BlueGreen) []rollout.Step {
	preview := rollout.Step{Preview: true, For: b.Preview.For.Duration}
	if b.Preview.Mirror != nil {
		preview.Shadow = share(*b.Preview.Mirror)
	}
	out := []rollout.Step{preview}
	if b.Approve {
		out = append(out, rollout.Step{Pause: &rollout.Pause{}})
	}
	bake := rollout.Step{Weight: traffic.Full - share(*b.Bake.Holdback), For: b.Bake.For.Duration}
	if bake.Weight < traffic.Full || bake.For > 0 {
		out = append(out, bake)
	}
	return append(out, rollout.Step{Weight: traffic.Full})
}

func share(w v1alpha1.Weight) traffic.Weight { return traffic.Percent(float64(w)) }

// pairing says how the answers to mirrored requests are compared, by all metrics
// of pairs together.
func pairing(metrics []v1alpha1.Metric) traffic.Compare {
	var c traffic.Compare
	for _, m := range metrics {
		p := m.Pairs
		if p == nil {
			continue
		}
		switch p.Of {
		case "prediction", "value", "": // the last in a spec saved by a version before
			c.Tolerance, c.Relative = p.Tolerance, p.Relative
		case "text":
			c.MinSimilarity = p.MinSimilarity
		case "latency":
			c.SlowerShare, c.SlowerBy = p.MaxSlower.Share, p.MaxSlower.By
		}
	}
	return c
}
