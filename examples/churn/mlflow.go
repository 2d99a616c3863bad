package churn

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// invocationsRequest is a request of MLflow's scoring protocol. Exactly one
// field is set. Unnamed tensors are refused, because the columns have names.
type invocationsRequest struct {
	Records   []map[string]json.RawMessage `json:"dataframe_records"`
	Instances []map[string]json.RawMessage `json:"instances"`
	Split     *struct {
		Columns []string            `json:"columns"`
		Data    [][]json.RawMessage `json:"data"`
	} `json:"dataframe_split"`
	Inputs map[string][]json.RawMessage `json:"inputs"`
}

// invocations answers {"predictions": ["yes", …]}, one label per customer.
func (s *server) invocations(w http.ResponseWriter, r *http.Request) {
	var request invocationsRequest
	if status, err := readJSON(w, r, &request); err != nil {
		fail(w, status, err)
		return
	}
	customers, err := request.customers()
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if answers, ok := s.predictAll(w, r, customers); ok {
		reply(w, http.StatusOK, map[string][]string{"predictions": answers.labels})
	}
}

// customers reads whichever form the request has.
func (r invocationsRequest) customers() ([]Features, error) {
	var forms [][]map[string]json.RawMessage
	if r.Records != nil {
		forms = append(forms, r.Records)
	}
	if r.Instances != nil {
		forms = append(forms, r.Instances)
	}
	if r.Split != nil {
		records, err := r.splitRecords()
		if err != nil {
			return nil, err
		}
		forms = append(forms, records)
	}
	if r.Inputs != nil {
		records, err := r.inputRecords()
		if err != nil {
			return nil, err
		}
		forms = append(forms, records)
	}
	if len(forms) != 1 {
		return nil, errors.New("send exactly one of dataframe_records, dataframe_split, instances and inputs")
	}
	if len(forms[0]) == 0 {
		return nil, errors.New("the request holds no customers")
	}
	return fromRecords(forms[0])
}

// splitRecords turns a table of rows into records.
func (r invocationsRequest) splitRecords() ([]map[string]json.RawMessage, error) {
	out := make([]map[string]json.RawMessage, len(r.Split.Data))
	for row, values := range r.Split.Data {
		if len(values) != len(r.Split.Columns) {
			return nil, fmt.Errorf("customer %d: %d values for %d columns", row, len(values), len(r.Split.Columns))
		}
		out[row] = make(map[string]json.RawMessage, len(values))
		for i, value := range values {
			out[row][r.Split.Columns[i]] = value
		}
	}
	return out, nil
}

// inputRecords turns named columns of values into records.
func (r invocationsRequest) inputRecords() ([]map[string]json.RawMessage, error) {
	var out []map[string]json.RawMessage
	for name, values := range r.Inputs {
		if out == nil {
			out = make([]map[string]json.RawMessage, len(values))
			for row := range out {
				out[row] = map[string]json.RawMessage{}
			}
		}
		if len(values) != len(out) {
			return nil, fmt.Errorf("input %s holds %d customers, another input holds %d", name, len(values), len(out))
		}
		for row, value := range values {
			out[row][name] = value
		}
	}
	return out, nil
}

// fromRecords reads one customer per record. An absent value is a missing one.
func fromRecords(records []map[string]json.RawMessage) ([]Features, error) {
	out := make([]Features, len(records))
	for row, record := range records {
		for name := range record {
			if _, err := columnIndex(name); err != nil {
				return nil, fmt.Errorf("customer %d: %w: the columns are %s", row, err, names(columns))
			}
		}
		for i, column := range columns {
			var err error
			if out[row][i], err = column.decode(record[column.Name]); err != nil {
				return nil, fmt.Errorf("customer %d: %w", row, err)
			}
		}
	}
	return out, nil
}
