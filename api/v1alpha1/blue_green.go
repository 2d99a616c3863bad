package v1alpha1

import "time"

// BlueGreen shows the candidate on an address of its own first, then switches
// all traffic at once but for a small share, which stays on the version before
// so that both can be compared, and promotes at the end of the bake.
type BlueGreen struct {
	// Preview comes before the switch.
	Preview Preview `json:"preview,omitzero"`
	// Approve has a person approve the switch, at the end of the preview.
	Approve bool `json:"approve,omitempty"`
	// Bake comes after the switch.
	Bake Bake `json:"bake,omitzero"`
	// ScaleDownDelay is the time between the end of an arm's traffic and its
	// own; 30s unless said otherwise.
	ScaleDownDelay *Duration `json:"scaleDownDelay,omitempty"`
	// ReadyWithin is how long the candidate may take to become ready; 10m
	// unless said otherwise.
	ReadyWithin *Duration `json:"readyWithin,omitempty"`
}

// Preview lets people and tests reach the candidate while users do not.
//
// +kubebuilder:validation:XValidation:rule="!has(self.listen)",fieldPath=".listen",message="is an address of one machine: on a cluster the candidate is previewed at the Service NAME-canary"
type Preview struct {
	// Listen is where every request goes to the candidate, on one machine.
	// +kubebuilder:validation:MaxLength=256
	Listen string `json:"listen,omitempty"`
	// Mirror is the percentage of stable's requests that are copied to the
	// candidate, whose answers are compared and dropped; none unless said
	// otherwise.
	// +kubebuilder:validation:XValidation:rule="self > 0.0",message="mirrors nothing: write 1 to 100, or leave it out"
	Mirror *Weight `json:"mirror,omitempty"`
	// For is how long it lasts at least; 0s unless said otherwise.
	For *Duration `json:"for,omitempty"`
}

// Bake compares both versions after the switch.
type Bake struct {
	// For is how long it lasts at least; 10m unless said otherwise.
	For *Duration `json:"for,omitempty"`
	// Holdback is the percentage of requests that stay on the version before;
	// 5 unless said otherwise. With 0 nothing is compared: a guardrail or a
	// check must judge.
	// +kubebuilder:validation:XValidation:rule="self <= 50.0",message="is more than half: write at most 50"
	Holdback *Weight `json:"holdback,omitempty"`
}

// Shadow copies requests to the candidate, compares its answers with stable's
// and drops them: no user ever sees the candidate, and nothing is promoted. It
// ends with a verdict and a report.
type Shadow struct {
	// Percent of stable's requests that are copied; 100 unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self > 0.0",message="mirrors nothing: write 1 to 100"
	Percent *Weight `json:"percent,omitempty"`
	// For is how long it lasts at least; 0s unless said otherwise: until
	// enough is known.
	For *Duration `json:"for,omitempty"`
	// ScaleDownDelay is the time between the end of an arm's traffic and its
	// own; 30s unless said otherwise.
	ScaleDownDelay *Duration `json:"scaleDownDelay,omitempty"`
	// ReadyWithin is how long the candidate may take to become ready; 10m
	// unless said otherwise.
	ReadyWithin *Duration `json:"readyWithin,omitempty"`
}

// Mirrors returns the shares of stable's requests that steps of the strategy
// copy to the candidate.
func (s *Strategy) Mirrors() []Weight {
	var out []Weight
	if s.Canary != nil {
		for _, step := range s.Canary.Steps {
			if step.Shadow != nil {
				out = append(out, step.Shadow.Percent)
			}
		}
	}
	if s.BlueGreen != nil && s.BlueGreen.Preview.Mirror != nil {
		out = append(out, *s.BlueGreen.Preview.Mirror)
	}
	if s.Shadow != nil && s.Shadow.Percent != nil {
		out = append(out, *s.Shadow.Percent)
	}
	return out
}

func orWeight(p **Weight, w Weight) {
	if *p == nil {
		*p = &w
	}
}

func (b *BlueGreen) setDefaults() {
	orDuration(&b.Preview.For, 0)
	orDuration(&b.Bake.For, 10*time.Minute)
	orWeight(&b.Bake.Holdback, 5)
	orDuration(&b.ScaleDownDelay, 30*time.Second)
	orDuration(&b.ReadyWithin, 10*time.Minute)
}

func (s *Shadow) setDefaults() {
	orWeight(&s.Percent, 100)
	orDuration(&s.For, 0)
	orDuration(&s.ScaleDownDelay, 30*time.Second)
	orDuration(&s.ReadyWithin, 10*time.Minute)
}
