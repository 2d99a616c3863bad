package v1alpha1

import "time"

// SyntheticLoad is synthetic traffic, for services with too little of their own to judge
// by. It goes through the split like that of users.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.bodies) && (has(self.request.body) || has(self.request.json) || has(self.request.bodyFrom)))",fieldPath=".bodies",message="contradicts the body of request: keep one of them"
// +kubebuilder:validation:XValidation:rule="!(has(self.fill) && self.fill)",fieldPath=".fill",message="is of one machine, where Haldane sees all requests: leave it out"
type SyntheticLoad struct {
	// Rate in requests a second, above 0.
	// +kubebuilder:validation:Maximum=1000
	// +kubebuilder:validation:XValidation:rule="self > 0.0",message="sends nothing: write above 0"
	Rate float64 `json:"rate"`
	// Request that is sent.
	Request *Request `json:"request"`
	// Bodies of requests, one a line, each pass through them in an order of its
	// own.
	Bodies *Bodies `json:"bodies,omitempty"`
	// Users that requests come from, by turns of chance, where routing has
	// stickyBy; 1000 unless said otherwise.
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=1000000
	Users int32 `json:"users,omitempty"`
	// Count says whether they are evidence; true unless said otherwise. False
	// warms the models up, and needs Haldane's gateway.
	Count *bool `json:"count,omitempty"`
	// Fill sends only what users do not: rate is of all requests together. On
	// one machine only.
	Fill bool `json:"fill,omitempty"`
	// Duration from the first traffic to the candidate on, after which no more
	// is sent; until the end unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Duration *Duration `json:"duration,omitempty"`
	// Concurrent requests; 64 unless said otherwise. One that is due while so
	// many are under way is not sent, and counted.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	Concurrent int32 `json:"concurrent,omitempty"`
	// Timeout of a request; 30s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Timeout *Duration `json:"timeout,omitempty"`
	// Address that users call, like http://ingress.ingress-nginx; that of
	// Haldane's gateway unless said otherwise. The operator may limit which are
	// allowed. On a cluster only.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+(/[^\s?#]*)?$`
	Address string `json:"address,omitempty"`
}

// Bodies are lines: exactly one of file and from.
//
// +kubebuilder:validation:XValidation:rule="!has(self.file)",fieldPath=".file",message="is a file on one machine: on a cluster write from, a key of a ConfigMap"
// +kubebuilder:validation:XValidation:rule="has(self.from)",message="needs from, a key of a ConfigMap"
type Bodies struct {
	// File, relative to the rollout's file.
	// +kubebuilder:validation:MaxLength=4096
	File string `json:"file,omitempty"`
	// From is a key of a ConfigMap. On a cluster only.
	From *ConfigMapKey `json:"from,omitempty"`
}

func (l *SyntheticLoad) setDefaults(sticky bool) {
	if r := l.Request; r != nil {
		if l.Bodies != nil && r.Method == "" {
			r.Method = "POST"
		}
		r.setDefaults()
	}
	if l.Users == 0 && sticky {
		l.Users = 1000
	}
	if l.Count == nil {
		yes := true
		l.Count = &yes
	}
	if l.Concurrent == 0 {
		l.Concurrent = 64
	}
	orDuration(&l.Timeout, 30*time.Second)
}

func (v *validator) load(path string, s *Spec) {
	l := s.Analysis.Load
	if l == nil {
		return
	}
	if !(l.Rate > 0 && l.Rate <= 1000) {
		v.add(path+".rate", "is %s: write above 0 and at most 1000 requests a second", trim(l.Rate))
	}
	if l.Request == nil {
		v.add(path, "needs request: write {path: /} at least")
		return
	}
	v.request(path+".request", l.Request)
	if b := l.Bodies; b != nil {
		v.bodies(path+".bodies", b)
		if l.Request.hasBody() {
			v.add(path+".bodies", "contradicts the body of request: keep one of them")
		}
	}
	switch sticky := s.Routing.StickyBy != nil; {
	case l.Users != 0 && !sticky:
		v.add(path+".users", "are told apart by routing.stickyBy: write that, or leave this out")
	case sticky && (l.Users < 2 || l.Users > 1e6):
		v.add(path+".users", "are %d: write 2 to 1000000", l.Users)
	}
	if l.Concurrent < 1 || l.Concurrent > 1024 {
		v.add(path+".concurrent", "is %d: write 1 to 1024", l.Concurrent)
	}
	v.above0(path+".duration", l.Duration)
	v.above0(path+".timeout", l.Timeout)
	v.loadTo(path, l, &s.Routing)
}

// loadTo checks where load goes, and what is known of it there.
func (v *validator) loadTo(path string, l *SyntheticLoad, r *Routing) {
	if !v.cluster {
		if l.Address != "" {
			v.add(path+".address", "is of a cluster: here requests go to haldane's gateway; leave it out")
		}
		return
	}
	if l.Fill {
		v.add(path+".fill", "is of one machine, where Haldane sees all requests: leave it out")
	}
	if l.Address != "" && (!address.MatchString(l.Address) || len(l.Address) > maxAddress) {
		v.add(path+".address", "%q is no address of a server: write it like http://ingress.ingress-nginx", l.Address)
	}
	if r.Gateway != nil {
		return
	}
	if l.Address == "" {
		v.add(path, "needs address: where users call is known of Haldane's gateway alone")
	}
	if !*l.Count {
		v.add(path+".count", "false needs Haldane's gateway, which tells load from users: write routing.gateway, or leave it out")
	}
}

func (v *validator) bodies(path string, b *Bodies) {
	switch {
	case v.cluster && b.File != "":
		v.add(path+".file", "is a file on one machine: on a cluster write from, a key of a ConfigMap")
	case v.cluster:
		v.one(path, map[string]bool{"from": b.From != nil}, "from")
	case b.From != nil:
		v.add(path+".from", "is a key of a ConfigMap on a cluster: on one machine write file")
	default:
		v.one(path, map[string]bool{"file": b.File != ""}, "file")
	}
	v.configMapKey(path+".from", b.From)
	if len(b.File) > maxPathName {
		v.add(path+".file", "is longer than %d bytes", maxPathName)
	}
}
