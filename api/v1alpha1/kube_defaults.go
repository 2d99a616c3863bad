package v1alpha1

import "time"

// DefaultCluster is Default for a document that haldane controller carries out.
func (m *ModelRollout) DefaultCluster() {
	s := &m.Spec
	if w := s.Workload; w != nil {
		w.setDefaults()
	}
	if s.OnDelete == "" {
		s.OnDelete = OnDeleteRestore
	}
	if s.Routing.AllowDirect == nil {
		yes := true
		s.Routing.AllowDirect = &yes
	}
	if g := s.Routing.Gateway; g != nil {
		if g.Listen == "" {
			g.Listen = ":8080"
		}
		g.Fleet = g.Fleet.defaulted(m.Name + "-gateway")
	}
	if f := s.Routing.Flag; f != nil {
		if f.Listen == "" {
			f.Listen = ":8016"
		}
		f.Fleet = f.Fleet.defaulted(m.Name + "-flag")
	}
	s.Routing.setDefaults(s.Workload)
	if p := s.Analysis.Source.Prometheus; p != nil {
		p.setDefaults()
		orDuration(&s.Analysis.Interval, max(2*p.ScrapeInterval.Duration, 100*time.Millisecond))
	}
	m.Default()
}

// defaulted is f with its defaults; f may be nil.
func (f *GatewayFleet) defaulted(service string) *GatewayFleet {
	if f == nil {
		f = &GatewayFleet{}
	}
	if f.Replicas == 0 {
		f.Replicas = 2
	}
	if f.Service == "" {
		f.Service = service
	}
	return f
}

func (w *Workload) setDefaults() {
	if w.Kind == "" {
		w.Kind = "Deployment"
	}
	if w.StableName == "" {
		w.StableName = w.Name + "-stable"
	}
	if w.Service == "" {
		w.Service = w.Name
	}
	if w.Order == "" {
		w.Order = "Surge"
	}
	if w.Replicas == nil {
		w.Replicas = &CanaryReplicas{}
	}
	if w.Replicas.By == "" {
		w.Replicas.By = "Share"
	}
	for name, v := range w.Variants {
		if v.Service == "" {
			v.Service = v.Name
		}
		if v.Version == "" {
			v.Version = name
		}
		w.Variants[name] = v
	}
}

func (r *Routing) setDefaults(w *Workload) {
	if g := r.GatewayAPI; g != nil && g.HTTPRoute != "" && !g.Adopt && g.Path == "" {
		g.Path = "/"
	}
	if i := r.Istio; i != nil && !i.Adopt && len(i.Gateways) == 0 {
		i.Gateways = []string{"mesh"}
	}
	if a := r.AppMesh; a != nil && w != nil {
		if a.StableNode == "" {
			a.StableNode = w.Name + "-stable"
		}
		if a.CanaryNode == "" {
			a.CanaryNode = w.Name + "-canary"
		}
	}
}

func (p *Prometheus) setDefaults() {
	orDuration(&p.ScrapeInterval, 15*time.Second)
	if p.Outage == nil {
		p.Outage = &Outage{}
	}
	orDuration(&p.Outage.After, 10*time.Minute)
	if p.Outage.Then == "" {
		p.Outage.Then = "Hold"
	}
}
