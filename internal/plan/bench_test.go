package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/rollout"
)

func BenchmarkForecast(b *testing.B) {
	for b.Loop() {
		if _, err := Forecast(fiftyFifty(errorRate, slower, answers, confidence), habits()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkForecastExperiment(b *testing.B) {
	for name, p := range map[string]rollout.Plan{
		"2": comparing(converted, 50, 50), "3": comparing(converted, 40, 30, 30), "8": comparing(converted, 13, 13, 13, 13, 12, 12, 12, 12),
	} {
		p.Experiment.MaxDuration, p.Analysis.Interval = 14*24*time.Hour, 15*time.Second
		for _, thompson := range []bool{false, true} {
			c := *p.Experiment
			c.Thompson, c.Floor, c.Every = thompson, .05, 10*time.Minute
			p.Experiment = &c
			b.Run(fmt.Sprintf("%s/thompson=%t", name, thompson), func(b *testing.B) {
				for b.Loop() {
					if _, err := ForecastExperiment(p, reaching(.5, Habit{Mean: .03})); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
