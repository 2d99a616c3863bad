package v1alpha1

import "time"

// DatadogAddress is the API of Datadog's first site.
const DatadogAddress = "https://api.datadoghq.com"

// longestWindow is how old the newest number may be.
const longestWindow = 5 * time.Minute

func (r *Reading) setDefaults() {
	if r.From == nil {
		return
	}
	if d := r.From.Datadog; d != nil {
		if d.Address == "" {
			d.Address = DatadogAddress
		}
		orDuration(&d.Window, longestWindow)
	}
	if c := r.From.CloudWatch; c != nil {
		if c.Expression == "" && c.Statistic == "" {
			c.Statistic = "Average"
		}
		orDuration(&c.Period, time.Minute)
		orDuration(&c.Window, longestWindow)
	}
	if i := r.From.InfluxDB; i != nil {
		orDuration(&i.Window, longestWindow)
	}
}

func (g *Guardrail) setDefaults() {
	g.Reading.setDefaults()
	if g.Consecutive == 0 && g.Failures == 0 && g.Of == 0 {
		g.Consecutive = 3
	}
	orDuration(&g.Every, 30*time.Second)
	orText(&g.Effect, "Rollback")
	orText(&g.OnMissing, "Hold")
}

func (a *Anomaly) setDefaults() {
	a.Reading.setDefaults()
	orDuration(&a.History, time.Hour)
	orDuration(&a.Every, time.Minute)
	orProbability(&a.FalseAlarmProbability, 0.001)
	orText(&a.Direction, "Both")
	orText(&a.Effect, "Hold")
	orText(&a.OnMissing, "Hold")
}

func orText(p *string, v string) {
	if *p == "" {
		*p = v
	}
}
