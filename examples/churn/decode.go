package churn

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// customers reads the inputs of a request into one Features per customer.
func (r inferRequest) customers() ([]Features, error) {
	if len(r.Inputs) == 0 {
		return nil, fmt.Errorf("inputs is empty: send one input per column, %s", names(columns))
	}
	n, err := r.Inputs[0].rows()
	if err != nil {
		return nil, err
	}
	out := make([]Features, n)
	var seen [numColumns]bool
	for _, input := range r.Inputs {
		i, err := columnIndex(input.Name)
		if err != nil {
			return nil, fmt.Errorf("input %q is unknown: the inputs are %s", input.Name, names(columns))
		}
		if seen[i] {
			return nil, fmt.Errorf("input %s is there twice", input.Name)
		}
		seen[i] = true
		if err := input.fill(out, i); err != nil {
			return nil, err
		}
	}
	return out, fillMissing(out, seen)
}

// fillMissing marks optional columns that were not sent, and refuses to go on
// without the others.
func fillMissing(out []Features, seen [numColumns]bool) error {
	for i, column := range columns {
		if seen[i] {
			continue
		}
		if !column.Optional {
			return fmt.Errorf("input %s is missing", column.Name)
		}
		for row := range out {
			out[row][i] = math.NaN()
		}
	}
	return nil
}

// fill writes the tensor into column i of the customers.
func (t tensor) fill(out []Features, i int) error {
	column := columns[i]
	if !column.accepts(t.Datatype) {
		return fmt.Errorf("input %s has datatype %q, where %s is expected", t.Name, t.Datatype, column.datatype())
	}
	n, err := t.rows()
	if err != nil {
		return err
	}
	if n != len(out) {
		return fmt.Errorf("input %s holds %d customers, another input holds %d", t.Name, n, len(out))
	}
	for row, raw := range t.Data {
		if len(t.Shape) == 2 && strings.HasPrefix(string(raw), "[") {
			if raw, err = single(raw); err != nil {
				return fmt.Errorf("input %s, customer %d: %w", t.Name, row, err)
			}
		}
		if out[row][i], err = column.decode(raw); err != nil {
			return fmt.Errorf("customer %d: %w", row, err)
		}
	}
	return nil
}

// rows is the number of customers in the tensor: n for shapes [n] and [n, 1].
func (t tensor) rows() (int, error) {
	ok := len(t.Shape) == 1 || len(t.Shape) == 2 && t.Shape[1] == 1
	if !ok || t.Shape[0] < 1 {
		return 0, fmt.Errorf("input %s has shape %v, where [n] or [n, 1] is expected, n at least 1", t.Name, t.Shape)
	}
	if len(t.Data) != t.Shape[0] {
		return 0, fmt.Errorf("input %s has shape %v but %d values", t.Name, t.Shape, len(t.Data))
	}
	return t.Shape[0], nil
}

// single takes the value out of a nested row of one.
func single(raw json.RawMessage) (json.RawMessage, error) {
	var row []json.RawMessage
	if err := json.Unmarshal(raw, &row); err != nil || len(row) != 1 {
		return nil, fmt.Errorf("%.40s, where a row of one value is expected", raw)
	}
	return row[0], nil
}

// numberTypes are the tensor datatypes a number may come as.
var numberTypes = []string{
	"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP32", "FP64",
}

// accepts reports whether values of this tensor datatype can fill the column.
func (c Column) accepts(datatype string) bool {
	if c.Text() {
		return datatype == typeBytes
	}
	return slices.Contains(numberTypes, datatype)
}

// names lists column names for a reader.
func names(list []Column) string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.Name
	}
	return strings.Join(out, ", ")
}
