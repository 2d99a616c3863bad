package rds

import (
	"fmt"
	"math"
)

// Kind tells which R vector type a [Value] holds.
type Kind int

// The kinds a [Value] can have.
const (
	Null      Kind = iota // NULL: no elements
	Logical               // in Ints, 0 or 1, NA as NAInt
	Integer               // in Ints; a factor is an Integer with a "levels" attribute
	Double                // in Doubles
	Character             // in Strings
	List                  // in List
)

// NAInt is R's missing integer and logical: the smallest 32-bit integer.
const NAInt int32 = math.MinInt32

// naLow is the payload that tells R's NA_real_ from any other NaN.
const naLow = 1954

// IsNA reports whether x is R's NA_real_. An ordinary NaN is not.
func IsNA(x float64) bool {
	return math.IsNaN(x) && uint32(math.Float64bits(x)) == naLow
}

// String is one element of an R character vector.
type String struct {
	Text string
	NA   bool // the element is NA_character_; Text is then empty
}

// Value is one R vector with its attributes. Only the slice that its Kind
// names is set.
type Value struct {
	Kind    Kind
	Ints    []int32
	Doubles []float64
	Strings []String
	List    []Value
	// Attributes holds names, levels, class, row.names and the like, by name;
	// nil when the vector has none.
	Attributes map[string]Value
}

// Len is the number of elements.
func (v Value) Len() int {
	switch v.Kind {
	case Logical, Integer:
		return len(v.Ints)
	case Double:
		return len(v.Doubles)
	case Character:
		return len(v.Strings)
	case List:
		return len(v.List)
	default:
		return 0
	}
}

// Names returns the "names" attribute, or nil when there is none.
func (v Value) Names() []string {
	return texts(v.Attributes["names"])
}

// Levels returns a factor's levels, or nil when the value is not a factor.
func (v Value) Levels() []string {
	return texts(v.Attributes["levels"])
}

// Field returns the element of a named list with this name.
func (v Value) Field(name string) (Value, error) {
	for i, n := range v.Names() {
		if n == name && v.Kind == List && i < len(v.List) {
			return v.List[i], nil
		}
	}
	return Value{}, fmt.Errorf("the list has no element named %q", name)
}

// texts returns the text of a character vector, NA as the empty string.
func texts(v Value) []string {
	if v.Kind != Character {
		return nil
	}
	out := make([]string, len(v.Strings))
	for i, s := range v.Strings {
		out[i] = s.Text
	}
	return out
}
