package rollout

import (
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/traffic"
)

func TestStrategy(t *testing.T) {
	full := Step{Weight: traffic.Full}
	for want, p := range map[Strategy]Plan{
		"":                 {},
		StrategyCanary:     {Steps: []Step{{Shadow: traffic.Full}, {Weight: traffic.Percent(5)}, full}},
		StrategyBlueGreen:  {Steps: []Step{{Preview: true, Shadow: traffic.Full}, {Weight: traffic.Percent(95), For: time.Minute}, full}},
		StrategyShadow:     {Steps: []Step{{Shadow: traffic.Full}}, End: EndReport},
		StrategyExperiment: {Steps: []Step{{Weight: traffic.Percent(50)}}, End: EndReport, Experiment: &experiment.Config{}},
	} {
		if got := p.Strategy(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if n := len(Strategies()); n != 4 {
		t.Errorf("%d strategies", n)
	}
}
