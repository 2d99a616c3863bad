package v1alpha1

// Pairs limits how often mirrored answers disagree with stable's.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.tolerance) || has(self.relative)) || !has(self.of) || self.of in ['prediction', 'value']",message="tolerance and relative are of numbers: write of: value, or leave them out"
// +kubebuilder:validation:XValidation:rule="!has(self.minSimilarity) || (has(self.of) && self.of == 'text')",fieldPath=".minSimilarity",message="is of generated texts: write of: text, or leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.maxSlower) || (has(self.of) && self.of == 'latency')",fieldPath=".maxSlower",message="is of times: write of: latency, or leave it out"
type Pairs struct {
	// Of says what is compared: prediction (default: the class or, where there
	// is none, the number), class, value, text (generated, of OpenAI's API) or
	// latency.
	// +kubebuilder:validation:Enum=prediction;class;value;text;latency
	Of string `json:"of,omitempty"`
	// MaxDisagreement is a share between 0% and 100%.
	// +kubebuilder:validation:Format=share-inside
	MaxDisagreement Probability `json:"maxDisagreement"`
	// Tolerance is by how much two numbers may differ, in their own unit.
	// +kubebuilder:validation:Minimum=0
	Tolerance float64 `json:"tolerance,omitempty"`
	// Relative is by how much two numbers may differ, as a share of the
	// greater one: 0.01 is 1%. The larger of both holds. With neither, 0.01
	// and 0.01.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	// +kubebuilder:validation:ExclusiveMaximum=true
	Relative float64 `json:"relative,omitempty"`
	// MinSimilarity of two texts, above 0 (nothing in common) and below 1 (the same):
	// the runs of characters that they share (chrF); 0.8 unless said otherwise.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	// +kubebuilder:validation:ExclusiveMaximum=true
	MinSimilarity float64 `json:"minSimilarity,omitempty"`
	// MaxSlower is by how much the canary may take longer to answer the same
	// request: 25% (the default) or 20ms.
	MaxSlower *Slower `json:"maxSlower,omitempty"`
}

// pairsOf are what pairs may be compared by.
var pairsOf = []string{"prediction", "class", "value", "text", "latency"}

func (p *Pairs) setDefaults() {
	if p.Of == "" {
		p.Of = "prediction"
	}
	switch p.Of {
	case "prediction", "value":
		if p.Tolerance == 0 && p.Relative == 0 {
			p.Tolerance, p.Relative = 0.01, 0.01
		}
	case "text":
		if p.MinSimilarity == 0 {
			p.MinSimilarity = 0.8
		}
	case "latency":
		if p.MaxSlower == nil {
			p.MaxSlower = &Slower{Share: 0.25}
		}
	}
}

// pairs checks one metric of mirrored answers; of are those before it.
func (v *validator) pairs(path string, p *Pairs, s *Spec) {
	v.of(path+".of", p.Of, pairsOf...)
	if p.MaxDisagreement <= 0 || p.MaxDisagreement >= 1 {
		v.add(path+".maxDisagreement", "must be above 0%% and below 100%%")
	}
	if p.Tolerance < 0 {
		v.add(path+".tolerance", "is negative")
	}
	if p.Of != "prediction" && p.Of != "value" && (p.Tolerance != 0 || p.Relative != 0) {
		v.add(path, "tolerance and relative are of numbers: write of: value, or leave them out")
	}
	if p.Relative < 0 || p.Relative >= 1 {
		v.add(path+".relative", "must be below 1, which is all of it")
	}
	if p.MinSimilarity != 0 && p.Of != "text" {
		v.add(path+".minSimilarity", "is of generated texts: write of: text, or leave it out")
	}
	if p.MinSimilarity < 0 || p.MinSimilarity >= 1 {
		v.add(path+".minSimilarity", "must be above 0 (nothing in common) and below 1 (the same)")
	}
	if p.MaxSlower != nil && p.Of != "latency" {
		v.add(path+".maxSlower", "is of times: write of: latency, or leave it out")
	}
	if len(s.Strategy.Mirrors()) == 0 {
		v.add(path, "are of mirrored requests, and nothing is mirrored: add {shadow: {percent: 100}} to the steps of canary, or mirror: 100 to the preview of blueGreen")
	}
}

// pairsOnce refuses two metrics of one kind of pairs: mirrored answers are
// compared once, by one limit.
func (v *validator) pairsOnce(path string, all []Metric) {
	seen := map[string]bool{}
	for _, m := range all {
		if m.Pairs == nil {
			continue
		}
		of := m.Pairs.Of
		if of == "value" {
			of = "prediction" // numbers too
		}
		if seen[of] {
			v.add(path, "compare pairs of the same twice: keep one metric of each (prediction compares values too)")
			return
		}
		seen[of] = true
	}
}
