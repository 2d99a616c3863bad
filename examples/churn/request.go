package churn

import (
	"encoding/json"
	"fmt"
	"math"
)

// Tensor datatypes of the Open Inference Protocol that the model gives out.
const (
	typeInt    = "INT64"
	typeDouble = "FP64"
	typeBytes  = "BYTES"
)

// datatype is the column's tensor datatype.
func (c Column) datatype() string {
	switch {
	case c.Text():
		return typeBytes
	case c.Integer:
		return typeInt
	default:
		return typeDouble
	}
}

// inferRequest is a request of the Open Inference Protocol v2. Fields it does
// not name, such as parameters, are ignored, as the protocol allows.
type inferRequest struct {
	ID      string            `json:"id,omitempty"`
	Inputs  []tensor          `json:"inputs"`
	Outputs []requestedOutput `json:"outputs,omitempty"`
}

// tensor is one named input. Data is flat, or nested as its shape.
type tensor struct {
	Name     string            `json:"name"`
	Shape    []int             `json:"shape"`
	Datatype string            `json:"datatype"`
	Data     []json.RawMessage `json:"data"`
}

type requestedOutput struct {
	Name string `json:"name"`
}

// RequestBody is the Open Inference Protocol v2 request for this customer
// alone: its ID as the request's id and one input of shape [1] per column. A
// missing value is left out. To send a customer more than once under different
// ids, change ID in a copy.
func (c Customer) RequestBody() []byte {
	request := inferRequest{ID: c.ID}
	for i, column := range columns {
		value := column.encode(c.Features[i])
		if value == nil {
			continue
		}
		request.Inputs = append(request.Inputs, tensor{
			Name: column.Name, Shape: []int{1}, Datatype: column.datatype(), Data: []json.RawMessage{value},
		})
	}
	return mustMarshal(request)
}

// InvocationsBody is the MLflow request for this customer alone, in the form
// dataframe_records. A missing value is null.
func (c Customer) InvocationsBody() []byte {
	record := make(map[string]json.RawMessage, numColumns)
	for i, column := range columns {
		record[column.Name] = column.encode(c.Features[i])
	}
	return mustMarshal(map[string]any{"dataframe_records": []any{record}})
}

// encode is the value as JSON, nil when it is missing.
func (c Column) encode(x float64) json.RawMessage {
	switch {
	case math.IsNaN(x):
		return nil
	case c.Text():
		return mustMarshal(c.Levels[int(x)])
	default:
		return mustMarshal(x)
	}
}

// decode reads one JSON value of the column.
func (c Column) decode(raw json.RawMessage) (float64, error) {
	if len(raw) == 0 || string(raw) == "null" {
		if c.Optional {
			return math.NaN(), nil
		}
		return 0, fmt.Errorf("%s is missing", c.Name)
	}
	if c.Text() {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, fmt.Errorf("%s is %.40s, where a string is expected", c.Name, raw)
		}
		return c.level(text)
	}
	var x float64
	if err := json.Unmarshal(raw, &x); err != nil {
		return 0, fmt.Errorf("%s is %.40s, where a number is expected", c.Name, raw)
	}
	return x, c.check(x)
}

// mustMarshal encodes values that always can be: strings, finite numbers, and
// maps and slices of them.
func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return b
}
