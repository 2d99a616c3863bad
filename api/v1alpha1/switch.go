package v1alpha1

import (
	"strings"
	"time"
)

// Switch is kept by somebody else and holds the rollout or takes the candidate
// back: a feature flag whose value is true or run, false or hold, or rollback; or
// a file with one of these words.
//
// +kubebuilder:validation:XValidation:rule="!has(self.file)",fieldPath=".file",message="is a file on one machine: on a cluster write flag"
// +kubebuilder:validation:XValidation:rule="has(self.flag)",message="needs flag"
type Switch struct {
	// Flag of a server that speaks OpenFeature's remote evaluation protocol.
	Flag *SwitchFlag `json:"flag,omitempty"`
	// File with one word, relative to the rollout's file.
	// +kubebuilder:validation:MaxLength=4096
	File string `json:"file,omitempty"`
	// Every is the time between two readings; 10s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('10m')",message="write between 100ms and 10m"
	Every *Duration `json:"every,omitempty"`
	// Timeout of a reading; 2s unless said otherwise.
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="is no time: write one above 0"
	Timeout *Duration `json:"timeout,omitempty"`
	// OnUnknown is what the rollout does while nothing is known: Hold (default) or
	// Continue.
	// +kubebuilder:validation:Enum=Hold;Continue
	OnUnknown string `json:"onUnknown,omitempty"`
}

// SwitchFlag is a feature flag.
type SwitchFlag struct {
	// URL of the server, without /ofrep/v1.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+([/?][^\s#]*)?$`
	// +kubebuilder:validation:XValidation:rule="!self.contains('?')",message="has a query: leave it out"
	URL string `json:"url"`
	// Key of the flag.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
	// Context that it is evaluated for; its targetingKey is the rollout's name
	// unless said otherwise.
	// +kubebuilder:validation:MaxProperties=16
	Context map[string]Text `json:"context,omitempty"`
	// TokenFrom is what is presented as a bearer.
	TokenFrom *SecretFrom `json:"tokenFrom,omitempty"`
}

func (s *Switch) setDefaults() {
	orDuration(&s.Every, 10*time.Second)
	orDuration(&s.Timeout, 2*time.Second)
	if s.OnUnknown == "" {
		s.OnUnknown = "Hold"
	}
}

func (v *validator) toggle(path string, s *Switch) {
	if s == nil {
		return
	}
	switch {
	case v.cluster && s.File != "":
		v.add(path+".file", "is a file on one machine: on a cluster write flag")
	case v.cluster && s.Flag == nil:
		v.add(path, "needs flag")
	case !v.cluster:
		v.one(path, map[string]bool{"flag": s.Flag != nil, "file": s.File != ""}, "flag", "file")
	}
	if s.Every.Duration < 100*time.Millisecond || s.Every.Duration > 10*time.Minute {
		v.add(path+".every", "is %s: write between 100ms and 10m", s.Every)
	}
	if s.Timeout.Duration <= 0 {
		v.add(path+".timeout", "is no time: write one above 0")
	}
	v.of(path+".onUnknown", s.OnUnknown, "Hold", "Continue")
	f := s.Flag
	if f == nil {
		return
	}
	v.callable(path+".flag.url", f.URL)
	if strings.Contains(f.URL, "?") {
		v.add(path+".flag.url", "has a query: leave it out")
	}
	if f.Key == "" || len(f.Key) > 253 {
		v.add(path+".flag.key", "is %q: write the key of the flag", f.Key)
	}
	v.texts(path+".flag.context", f.Context, maxHeaders)
	v.secret(path+".flag.tokenFrom", f.TokenFrom)
}
