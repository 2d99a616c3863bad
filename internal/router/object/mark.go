package object

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// AnnotationSplit carries a Mark.
const AnnotationSplit = "haldane.dev/split"

// Mark says what was written last.
type Mark struct {
	Generation uint64         `json:"generation"`
	Canary     traffic.Weight `json:"canary"` // hundredths of a percent, as Mirror
	Mirror     traffic.Weight `json:"mirror,omitempty"`
	Sent       string         `json:"sent"`   // digest of what was sent
	Stored     string         `json:"stored"` // digest of what the API server made of it
}

// ReadMark returns the mark of obj, and false if it has none that can be read.
func ReadMark(obj metav1.Object) (Mark, bool) {
	var m Mark
	text := obj.GetAnnotations()[AnnotationSplit]
	if text == "" || json.Unmarshal([]byte(text), &m) != nil {
		return Mark{}, false
	}
	return m, true
}

// Write puts m on obj.
func (m Mark) Write(obj metav1.Object) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	marks := obj.GetAnnotations()
	if marks == nil {
		marks = map[string]string{}
	}
	marks[AnnotationSplit] = string(text)
	obj.SetAnnotations(marks)
	return nil
}

// Observed is m as a router reports it at a level.
func (m Mark) Observed(level traffic.Level) traffic.Observed {
	return traffic.Observed{Level: level, Generation: m.Generation, Canary: m.Canary, Mirror: m.Mirror}
}

// Digest tells JSON values apart: equal values have equal digests, whatever
// the order of their keys.
func Digest(value any) string {
	text, err := json.Marshal(value) // sorts keys
	if err != nil {
		return "" // no JSON at all: equal to nothing that was written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:10])
}

// JSON turns a typed value into maps, slices, strings, int64, float64 and
// bool, as unstructured objects hold them. An error means that v cannot be
// written as JSON.
func JSON(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("as JSON: %w", err)
	}
	var out any
	if err := utiljson.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("as JSON: %w", err)
	}
	return out, nil
}
