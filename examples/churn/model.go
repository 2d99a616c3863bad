package churn

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"
)

//go:embed models/*.json
var modelFiles embed.FS

// threshold is the probability of leaving from which the answer is "yes".
const threshold = 0.5

// monthsPerYear turns tenure into the index of YearOffsets.
const monthsPerYear = 12

// Parameters is what a model file holds: a logistic regression, and what its
// version of the serving code does around it.
type Parameters struct {
	Version     string  `json:"version"`
	Description string  `json:"description"`
	Intercept   float64 `json:"intercept"`
	Terms       []Term  `json:"terms"`
	// Swapped names two terms whose entries this version of the code fills in
	// the wrong order.
	Swapped []string `json:"swapped,omitempty"`
	// YearOffsets recalibrate the score by full years of tenure. A customer
	// beyond the end of the table cannot be scored.
	YearOffsets []float64 `json:"year_offsets,omitempty"`
	// FeatureStore, if set, makes every request wait for a remote look-up.
	FeatureStore *FeatureStore `json:"feature_store,omitempty"`
}

// FeatureStore stands for a remote service asked once per request. It is a
// wait of a length drawn evenly between the two limits, in milliseconds.
type FeatureStore struct {
	MinMS float64 `json:"min_ms"`
	MaxMS float64 `json:"max_ms"`
}

// ErrNoYear is wrapped by the error for a customer whose years of tenure are
// not in the model's table.
var ErrNoYear = errors.New("no calibration for this year of tenure")

// Model answers for one version. It never changes after it is loaded and may
// be used from any number of goroutines.
type Model struct {
	parameters Parameters
	terms      []compiledTerm
	swapped    [2]int // equal when nothing is swapped
	tenure     int    // column index
}

// Variants names the models that can be loaded, in alphabetical order.
func Variants() []string {
	files, err := fs.Glob(modelFiles, "models/*.json")
	if err != nil {
		panic(err) // only a malformed pattern fails, and this one is constant
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(file, "models/"), ".json")
	}
	slices.Sort(files)
	return files
}

// Load returns the embedded model of that name.
func Load(variant string) (*Model, error) {
	if !slices.Contains(Variants(), variant) {
		return nil, fmt.Errorf("no model is named %q: choose one of %s", variant, strings.Join(Variants(), ", "))
	}
	data, err := modelFiles.ReadFile("models/" + variant + ".json")
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", variant, err)
	}
	var p Parameters
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return nil, fmt.Errorf("load model %s: %w", variant, err)
	}
	m, err := New(p)
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", variant, err)
	}
	return m, nil
}

// New makes a model of its parameters, which the caller must not change
// afterwards.
func New(p Parameters) (*Model, error) {
	m := &Model{parameters: p, terms: make([]compiledTerm, len(p.Terms))}
	names := make([]string, len(p.Terms))
	for i, term := range p.Terms {
		names[i] = term.String()
		if slices.Contains(names[:i], names[i]) {
			return nil, fmt.Errorf("term %s is there twice", term)
		}
		if !(term.Scale > 0) {
			return nil, fmt.Errorf("term %s: scale %v is not positive", term, term.Scale)
		}
		compiled, err := term.compile()
		if err != nil {
			return nil, err
		}
		m.terms[i] = compiled
	}
	if n := len(p.Swapped); n != 0 && n != 2 {
		return nil, fmt.Errorf("%d terms are swapped, where none or two are expected", n)
	}
	for i, name := range p.Swapped {
		if m.swapped[i] = slices.Index(names, name); m.swapped[i] < 0 {
			return nil, fmt.Errorf("swapped term %q is not in the model", name)
		}
	}
	if s := p.FeatureStore; s != nil && !(0 <= s.MinMS && s.MinMS <= s.MaxMS) {
		return nil, fmt.Errorf("feature store waits from %v to %v ms, which is no range", s.MinMS, s.MaxMS)
	}
	var err error
	m.tenure, err = columnIndex("tenure")
	return m, err
}

// Version is the model's name, one of [Variants] for an embedded model.
func (m *Model) Version() string { return m.parameters.Version }

// Parameters returns what the model was made of. Not to be changed.
func (m *Model) Parameters() Parameters { return m.parameters }

// Predict answers whether the customer leaves, "yes" or "no", and with which
// probability: that of the answer given, so at least one half. It never waits:
// the feature store is asked by the server alone. An error means that this
// version of the code cannot score this customer.
func (m *Model) Predict(c Customer) (label string, p float64, err error) {
	return m.predict(&c.Features)
}

func (m *Model) predict(f *Features) (string, float64, error) {
	p, err := m.leaving(f)
	if err != nil {
		return "", 0, err
	}
	return class(p >= threshold), max(p, 1-p), nil
}

// leaving is the probability that the customer leaves.
func (m *Model) leaving(f *Features) (float64, error) {
	z := m.score(f)
	if table := m.parameters.YearOffsets; table != nil {
		year := int(f[m.tenure]) / monthsPerYear
		if year >= len(table) {
			return 0, fmt.Errorf("%w: year %d of a table of %d", ErrNoYear, year, len(table))
		}
		z += table[year]
	}
	return 1 / (1 + math.Exp(-z)), nil
}

// score is the log-odds of leaving.
func (m *Model) score(f *Features) float64 {
	z := m.parameters.Intercept
	for i := range m.terms {
		z += m.terms[i].coefficient * m.terms[m.source(i)].entry(f)
	}
	return z
}

// source is the term whose entry stands in place i of the feature vector: its
// own, but for the two swapped ones.
func (m *Model) source(i int) int {
	switch i {
	case m.swapped[0]:
		return m.swapped[1]
	case m.swapped[1]:
		return m.swapped[0]
	default:
		return i
	}
}

// wait is how long to wait for the feature store, u being a draw from [0, 1).
func (m *Model) wait(u float64) time.Duration {
	s := m.parameters.FeatureStore
	if s == nil {
		return 0
	}
	return time.Duration((s.MinMS + u*(s.MaxMS-s.MinMS)) * float64(time.Millisecond))
}
