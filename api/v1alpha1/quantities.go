package v1alpha1

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span written as "90s", "10m", "2h".
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$')",message="is no duration: write it with a unit, like 90s, 10m or 2h"
type Duration struct{ time.Duration }

// UnmarshalJSON reads a quoted duration.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s is no duration: write it with a unit, like 90s, 10m or 2h", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no duration: write it like 90s, 10m or 2h", s)
	}
	if v < 0 {
		return fmt.Errorf("%q is negative", s)
	}
	d.Duration = v
	return nil
}

// MarshalJSON writes it the way it is read.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// Probability is a number in [0,1] written as "1%" or 0.01.
//
// +kubebuilder:validation:Type=string
type Probability float64

// UnmarshalJSON reads a percentage or a bare share.
func (p *Probability) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	text, percent := strings.CutSuffix(s, "%")
	v, err := finite(text)
	if err != nil {
		return fmt.Errorf("%s is no share: write it like 1%% or 0.01", b)
	}
	if percent {
		v /= 100
	} else if v > 1 {
		return fmt.Errorf("%s is above 1: write %s%% if you mean percent", b, s)
	}
	if v < 0 || v > 1 {
		return fmt.Errorf("%s is outside 0%% to 100%%", b)
	}
	*p = Probability(v)
	return nil
}

// MarshalJSON writes a percentage.
func (p Probability) MarshalJSON() ([]byte, error) { return json.Marshal(percentString(float64(p))) }

// Points is a difference of shares in percentage points, written "0.5pp"; it
// is kept as a share: 0.005.
//
// +kubebuilder:validation:XIntOrString
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="type(self) == int ? self == 0 : self.matches('^((100([.]0*)?|[0-9]{1,2}([.][0-9]*)?|[.][0-9]+)pp|(5([.]0*)?|[0-4]([.][0-9]*)?|[.][0-9]+)%|0([.]0*)?)$')",message="is no number of percentage points: write it like 0.5pp; for a ratio write maxRatio"
type Points float64

// UnmarshalJSON reads points. Small percentages are taken as points; larger
// ones are refused, since people who write 25% mean a ratio.
func (p *Points) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	text, points := strings.CutSuffix(s, "pp")
	text, percent := strings.CutSuffix(text, "%")
	v, err := finite(text)
	switch {
	case err != nil || (points && percent):
		return fmt.Errorf("%s is no number of percentage points: write it like 0.5pp", b)
	case !points && !percent && v != 0:
		return fmt.Errorf("%s has no unit: write %spp for percentage points", b, text)
	case percent && v > 5:
		return fmt.Errorf("%s could mean points or a ratio: write %spp, or maxRatio: %s", b, text,
			strconv.FormatFloat(1+v/100, 'g', 6, 64))
	case v < 0 || v > 100:
		return fmt.Errorf("%s is outside 0pp to 100pp", b)
	}
	*p = Points(v / 100)
	return nil
}

// MarshalJSON writes points.
func (p Points) MarshalJSON() ([]byte, error) {
	return json.Marshal(strings.TrimSuffix(percentString(float64(p)), "%") + "pp")
}

// Slower is how much longer a quantile may be: a share ("10%") or a time ("20ms").
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="self.matches('^((1000([.]0*)?|[0-9]{1,3}([.][0-9]*)?|[.][0-9]+)%|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$') && self.matches('[1-9]')",message="write how much longer it may be, like 10% or 20ms"
type Slower struct {
	Share float64
	By    time.Duration
}

// UnmarshalJSON reads a percentage or a duration.
func (l *Slower) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if text, ok := strings.CutSuffix(s, "%"); ok {
		v, err := finite(text)
		if err != nil || v <= 0 || v > 1000 {
			return fmt.Errorf("%s: write a percentage above 0, like 10%%", b)
		}
		*l = Slower{Share: v / 100}
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("%s: write how much longer it may be, like 10%% or 20ms", b)
	}
	*l = Slower{By: d}
	return nil
}

// MarshalJSON writes it the way it is read.
func (l Slower) MarshalJSON() ([]byte, error) {
	if l.By > 0 {
		return json.Marshal(l.By.String())
	}
	return json.Marshal(percentString(l.Share))
}

// Weight is a share of traffic in percent: 5, 0.5 or, in a file, "5%".
//
// +kubebuilder:validation:Minimum=0
// +kubebuilder:validation:Maximum=100
// +kubebuilder:validation:XValidation:rule="self * 100.0 - double(int(self * 100.0 + 0.5)) < 0.000001 && self * 100.0 - double(int(self * 100.0 + 0.5)) > -0.000001",message="is finer than a hundredth of a percent"
type Weight float64

// UnmarshalJSON reads a percentage with or without its sign.
func (w *Weight) UnmarshalJSON(b []byte) error {
	v, err := finite(strings.TrimSuffix(strings.Trim(string(b), `"`), "%"))
	switch {
	case err != nil:
		return fmt.Errorf("%s is no percentage: write a number from 0 to 100", b)
	case v < 0 || v > 100:
		return fmt.Errorf("%s is outside 0 to 100 percent", b)
	case math.Abs(v*100-math.Round(v*100)) > 1e-9:
		return fmt.Errorf("%s is finer than a hundredth of a percent", b)
	}
	*w = Weight(v)
	return nil
}

func finite(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = fmt.Errorf("%s is not finite", s)
	}
	return v, err
}

// percentString writes a share without the noise of binary fractions.
func percentString(share float64) string {
	return strconv.FormatFloat(math.Round(share*100*1e9)/1e9, 'f', -1, 64) + "%"
}
