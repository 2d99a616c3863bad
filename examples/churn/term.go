package churn

import (
	"fmt"
	"math"
	"strconv"
)

// Term is one entry of a model's feature vector. Its raw value is one of:
//
//   - with Level: 1 when a text column holds that category, else 0;
//   - with Above: how far a number lies above a knot, 0 below it;
//   - with neither: the number itself.
//
// A missing number counts as 0. The entry is (raw − Mean)/Scale, and adds
// Coefficient times itself to the score.
type Term struct {
	Column string   `json:"column"`
	Level  string   `json:"level,omitempty"`
	Above  *float64 `json:"above,omitempty"`
	// When, if set, makes the raw value 0 unless another column holds a category.
	When *Condition `json:"when,omitempty"`
	// Mean and Scale are those of the raw value over the training customers;
	// Scale is positive.
	Mean        float64 `json:"mean"`
	Scale       float64 `json:"scale"`
	Coefficient float64 `json:"coefficient"`
}

// Condition is true for customers whose text column holds the level.
type Condition struct {
	Column string `json:"column"`
	Level  string `json:"level"`
}

// String names the term, as in `tenure`, `tenure>6`, `contract=Two year` and
// `tenure when contract=Month-to-month`. Names are unique within a model.
func (t Term) String() string {
	name := t.Column
	switch {
	case t.Level != "":
		name += "=" + t.Level
	case t.Above != nil:
		name += ">" + strconv.FormatFloat(*t.Above, 'g', -1, 64)
	}
	if t.When != nil {
		name += " when " + t.When.Column + "=" + t.When.Level
	}
	return name
}

// Raw is the term's value for a customer before it is centred and scaled.
func (t Term) Raw(f Features) (float64, error) {
	c, err := t.compile()
	if err != nil {
		return 0, err
	}
	return c.raw(&f), nil
}

// compiledTerm is a Term with its names looked up.
type compiledTerm struct {
	column, gate int     // gate is -1 without a condition
	level        float64 // -1 unless the term is an indicator
	gateLevel    float64
	above        float64 // -Inf for the number itself
	mean, scale  float64
	coefficient  float64
}

func (t Term) compile() (compiledTerm, error) {
	c := compiledTerm{
		gate: -1, level: -1, above: math.Inf(-1),
		mean: t.Mean, scale: t.Scale, coefficient: t.Coefficient,
	}
	var err error
	if c.column, err = columnIndex(t.Column); err != nil {
		return c, fmt.Errorf("term %s: %w", t, err)
	}
	column := columns[c.column]
	switch {
	case column.Text() && t.Above != nil:
		return c, fmt.Errorf("term %s: %s holds categories, so it has no knots", t, t.Column)
	case column.Text():
		if c.level, err = column.level(t.Level); err != nil {
			return c, fmt.Errorf("term %s: %w", t, err)
		}
	case t.Level != "":
		return c, fmt.Errorf("term %s: %s holds numbers, so it has no levels", t, t.Column)
	case t.Above != nil:
		c.above = *t.Above
	}
	if t.When == nil {
		return c, nil
	}
	if c.gate, err = columnIndex(t.When.Column); err != nil {
		return c, fmt.Errorf("term %s: %w", t, err)
	}
	if c.gateLevel, err = columns[c.gate].level(t.When.Level); err != nil {
		return c, fmt.Errorf("term %s: %w", t, err)
	}
	return c, nil
}

// raw takes the features by pointer only to avoid a copy.
func (c *compiledTerm) raw(f *Features) float64 {
	if c.gate >= 0 && f[c.gate] != c.gateLevel {
		return 0
	}
	x := f[c.column]
	if c.level >= 0 {
		if x == c.level {
			return 1
		}
		return 0
	}
	if math.IsNaN(x) {
		x = 0
	}
	if math.IsInf(c.above, -1) {
		return x
	}
	return max(0, x-c.above)
}

// entry is the term's place in the feature vector.
func (c *compiledTerm) entry(f *Features) float64 { return (c.raw(f) - c.mean) / c.scale }
