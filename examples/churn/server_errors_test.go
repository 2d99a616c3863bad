package churn

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// errorText reads the protocol's error object, which must hold nothing else.
func errorText(t *testing.T, body string) string {
	t.Helper()
	var out map[string]string
	if err := json.Unmarshal([]byte(body), &out); err != nil || len(out) != 1 || out["error"] == "" {
		t.Errorf("%q is not an error object: %v", body, err)
	}
	return out["error"]
}

// Every kind of bad input is a 400 that names what is wrong.
func TestInferRefuses(t *testing.T) {
	url := start(t, "good") + "/v2/models/churn/infer"
	body := string(all(t)[0].RequestBody())
	tenure := `{"name":"tenure","shape":[1],"datatype":"INT64","data":[1]}`
	for name, test := range map[string]struct{ from, to, want string }{
		"not JSON":          {body, "tenure=1", "not the JSON that is expected"},
		"empty":             {body, "", "not the JSON that is expected"},
		"inputs no list":    {body, `{"inputs":1}`, "not the JSON that is expected"},
		"no inputs":         {body, `{"id":"x"}`, "inputs is empty"},
		"missing input":     {tenure + ",", "", "input tenure is missing"},
		"unknown input":     {`"tenure"`, `"age"`, `input "age" is unknown`},
		"input twice":       {tenure, tenure + "," + tenure, "input tenure is there twice"},
		"wrong type":        {`"tenure","shape":[1],"datatype":"INT64"`, `"tenure","shape":[1],"datatype":"BYTES"`, "datatype"},
		"bool type":         {`"tenure","shape":[1],"datatype":"INT64"`, `"tenure","shape":[1],"datatype":"BOOL"`, "datatype"},
		"text as number":    {`"data":[29.85]`, `"data":["29.85"]`, "a number is expected"},
		"number as text":    {`"data":["Month-to-month"]`, `"data":[1]`, "a string is expected"},
		"unknown level":     {"Month-to-month", "Weekly", `contract is "Weekly"`},
		"negative":          {`"data":[29.85]`, `"data":[-1]`, "monthly_charges is -1"},
		"too large":         {`"data":[29.85]`, `"data":[1e300]`, "monthly_charges is 1e+300"},
		"part of a month":   {tenure, strings.Replace(tenure, "[1]}", "[1.5]}", 1), "a whole number"},
		"null":              {tenure, strings.Replace(tenure, "[1]}", "[null]}", 1), "tenure is missing"},
		"no shape":          {`"female","shape":[1],`, `"female",`, "shape []"},
		"empty shape":       {`"female","shape":[1]`, `"female","shape":[0]`, "shape [0]"},
		"matrix":            {`"female","shape":[1]`, `"female","shape":[1,2]`, "shape [1 2]"},
		"shape and data":    {`"female","shape":[1]`, `"female","shape":[2]`, "but 1 values"},
		"uneven":            {tenure, `{"name":"tenure","shape":[2],"datatype":"INT64","data":[1,2]}`, "holds 2 customers"},
		"nested where flat": {tenure, strings.Replace(tenure, "[1]}", "[[1]]}", 1), "a number is expected"},
		"long row": {tenure, `{"name":"tenure","shape":[1,1],"datatype":"INT64","data":[[1,2]]}`,
			"a row of one value"},
		"unknown output": {`"inputs"`, `"outputs":[{"name":"age"}],"inputs"`, `output "age" is unknown`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(body, test.from, test.to, 1)
			if changed == body {
				t.Fatalf("nothing to change in %s", body)
			}
			status, text := call(t, "POST", url, changed)
			if got := errorText(t, text); status != 400 || !strings.Contains(got, test.want) {
				t.Errorf("%d %q, want 400 with %q", status, got, test.want)
			}
		})
	}
}

func TestInferRefusesBinaryAndLarge(t *testing.T) {
	h := model(t, "good").Handler()
	binary := httptest.NewRequest("POST", "/v2/models/churn/infer", strings.NewReader("{}"))
	binary.Header.Set("Inference-Header-Content-Length", "2")
	large := httptest.NewRequest("POST", "/v2/models/churn/infer", strings.NewReader(strings.Repeat(" ", maxBody+1)))
	for _, test := range []struct {
		request *http.Request
		status  int
		want    string
	}{
		{binary, 400, "binary tensors are not supported"},
		{large, 413, "larger than 1048576 bytes"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, test.request)
		if got := errorText(t, w.Body.String()); w.Code != test.status || !strings.Contains(got, test.want) {
			t.Errorf("%d %q, want %d with %q", w.Code, got, test.status, test.want)
		}
	}
}

// The errors variant answers 500, in both protocols, where it cannot score.
func TestErrorsVariantAnswers500(t *testing.T) {
	url := start(t, "errors")
	m := model(t, "errors")
	failed, n := 0, 0
	for _, c := range all(t)[:200] {
		_, _, err := m.Predict(c)
		for path, body := range map[string][]byte{
			"/v2/models/churn/infer": c.RequestBody(), "/invocations": c.InvocationsBody(),
		} {
			status, text := call(t, "POST", url+path, string(body))
			n++
			switch {
			case err == nil && status != 200, err != nil && status != 500:
				t.Errorf("%s %s: %d %s, where the model says %v", c.ID, path, status, text, err)
			case err != nil:
				failed++
				if got := errorText(t, text); !strings.Contains(got, "year 6 of a table of 6") {
					t.Errorf("error %q does not say which year", got)
				}
			}
		}
	}
	if failed == 0 || failed == n {
		t.Errorf("%d of %d requests failed, want some", failed, n)
	}
}

// A client that leaves while the feature store is waited for gets no answer
// and keeps nobody waiting: with the request already cancelled, the handler
// returns without one.
func TestSlowStopsWhenTheClientLeaves(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "POST", "/v2/models/churn/infer",
		strings.NewReader(string(all(t)[0].RequestBody())))
	w := httptest.NewRecorder()
	model(t, "slow").Handler().ServeHTTP(w, r)
	if w.Body.Len() != 0 {
		t.Errorf("answered %s to nobody", w.Body)
	}
}

func TestInvocations(t *testing.T) {
	url := start(t, "good") + "/invocations"
	c := all(t)[3]
	label, _, err := model(t, "good").Predict(c)
	if err != nil {
		t.Fatal(err)
	}
	var sent struct {
		Records []map[string]json.RawMessage `json:"dataframe_records"`
	}
	if err := json.Unmarshal(c.InvocationsBody(), &sent); err != nil {
		t.Fatal(err)
	}
	record := sent.Records[0]
	var header []string
	var values []json.RawMessage
	inputs := map[string][]json.RawMessage{}
	for name, value := range record {
		header, values = append(header, name), append(values, value)
		inputs[name] = []json.RawMessage{value, value}
	}
	one, two := []string{label}, []string{label, label}
	for form, test := range map[string]struct {
		body any
		want []string
	}{
		"records":   {map[string]any{"dataframe_records": []any{record, record}}, two},
		"instances": {map[string]any{"instances": []any{record}}, one},
		"split": {map[string]any{"dataframe_split": map[string]any{
			"columns": header, "data": []any{values, values}}}, two},
		"inputs":     {map[string]any{"inputs": inputs}, two},
		"parameters": {map[string]any{"instances": []any{record}, "params": map[string]int{"x": 1}}, one},
	} {
		status, text := call(t, "POST", url, string(mustMarshal(test.body)))
		want := string(mustMarshal(map[string]any{"predictions": test.want}))
		if diff := cmp.Diff(want, text); diff != "" || status != 200 {
			t.Errorf("%s: %d (-want +got):\n%s", form, status, diff)
		}
	}
}

func TestInvocationsRefuses(t *testing.T) {
	url := start(t, "good") + "/invocations"
	record := strings.TrimSuffix(strings.TrimPrefix(string(all(t)[0].InvocationsBody()), `{"dataframe_records":[`), "]}")
	for name, test := range map[string]struct{ body, want string }{
		"not JSON":       {"x", "not the JSON"},
		"nothing":        {"{}", "exactly one of"},
		"two forms":      {`{"instances":[` + record + `],"dataframe_records":[` + record + `]}`, "exactly one of"},
		"no customers":   {`{"dataframe_records":[]}`, "no customers"},
		"unnamed tensor": {`{"instances":[[1,2]]}`, "not the JSON"},
		"unknown column": {`{"instances":[{"age":1}]}`, `"age"`},
		"missing column": {`{"instances":[{"female":1}]}`, "is missing"},
		"uneven split":   {`{"dataframe_split":{"columns":["female"],"data":[[1,2]]}}`, "2 values for 1 columns"},
		"uneven inputs":  {`{"inputs":{"female":[1],"tenure":[1,2]}}`, "another input holds"},
		"unknown level":  {`{"instances":[` + strings.Replace(record, "Month-to-month", "Weekly", 1) + `]}`, `"Weekly"`},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := call(t, "POST", url, test.body)
			if got := errorText(t, text); status != 400 || !strings.Contains(got, test.want) {
				t.Errorf("%d %q, want 400 with %q", status, got, test.want)
			}
		})
	}
}

func BenchmarkInfer(b *testing.B) {
	h := model(b, "good").Handler()
	body := string(held(b)[0].RequestBody())
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/v2/models/churn/infer", strings.NewReader(body)))
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
