package churn

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// start serves a variant for the length of the test and returns its address.
func start(t testing.TB, variant string) string {
	t.Helper()
	srv := httptest.NewServer(model(t, variant).Handler())
	t.Cleanup(srv.Close)
	return srv.URL
}

// call sends one request and returns status and body.
func call(t testing.TB, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 0 && strings.HasPrefix(string(data), "{") && resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s: JSON of type %q", method, url, resp.Header.Get("Content-Type"))
	}
	return resp.StatusCode, string(data)
}

func TestEndpoints(t *testing.T) {
	url := start(t, "good")
	for _, test := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/v2", 200, `{"extensions":[],"name":"haldane-example-churn","version":"good"}`},
		{"GET", "/v2/health/live", 200, `{"live":true}`},
		{"GET", "/v2/health/ready", 200, `{"ready":true}`},
		{"GET", "/v2/models/churn/ready", 200, `{"name":"churn","ready":true}`},
		{"GET", "/v2/models/churn/versions/good/ready", 200, `{"name":"churn","ready":true}`},
		{"GET", "/ping", 200, ""},
		{"GET", "/health", 200, ""},
		{"GET", "/version", 200, "good"},
		{"GET", "/v2/models/spam/ready", 404, `{"error":"model \"spam\" is not served here, only \"churn\""}`},
		{"GET", "/v2/models/churn/versions/v1", 404, `{"error":"version \"v1\" is not served here, only \"good\""}`},
		{"POST", "/v2/models/spam/infer", 404, `{"error":"model \"spam\" is not served here, only \"churn\""}`},
		{"GET", "/v2/models/churn/infer", 404, `{"error":"there is no GET /v2/models/churn/infer here"}`},
		{"GET", "/", 404, `{"error":"there is no GET / here"}`},
	} {
		status, body := call(t, test.method, url+test.path, "")
		if status != test.status || body != test.want {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, status, body, test.status, test.want)
		}
	}
}

// A client that knows only the model's metadata can write a valid request.
func TestModelMetadata(t *testing.T) {
	url := start(t, "v1")
	status, body := call(t, "GET", url+"/v2/models/churn", "")
	var got struct {
		Name, Platform  string
		Versions        []string
		Inputs, Outputs []tensorMetadata
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if got.Name != "churn" || got.Platform == "" || len(got.Versions) != 1 || got.Versions[0] != "v1" {
		t.Errorf("metadata %+v", got)
	}
	var request inferRequest
	for _, input := range got.Inputs {
		value := json.RawMessage("1")
		if input.Datatype == "BYTES" {
			i, err := columnIndex(input.Name)
			if err != nil {
				t.Fatal(err)
			}
			value = mustMarshal(columns[i].Levels[0])
		}
		request.Inputs = append(request.Inputs, tensor{input.Name, []int{1}, input.Datatype, []json.RawMessage{value}})
	}
	if status, body := call(t, "POST", url+"/v2/models/churn/infer", string(mustMarshal(request))); status != 200 {
		t.Errorf("a request written from the metadata: %d %s", status, body)
	}
	want := []tensorMetadata{{"label", "BYTES", []int{-1}}, {"probability", "FP64", []int{-1}}}
	if diff := cmp.Diff(want, got.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// answerOf is what a client reads of a response.
type answerOf struct {
	ModelName    string `json:"model_name"`
	ModelVersion string `json:"model_version"`
	ID           *string
	Outputs      []struct {
		tensorMetadata
		Data []any
	}
}

func infer(t testing.TB, url, body string) answerOf {
	t.Helper()
	status, text := call(t, "POST", url+"/v2/models/churn/infer", body)
	var out answerOf
	if err := json.Unmarshal([]byte(text), &out); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	return out
}

// The server says what the model says, for every variant, one customer at a
// time and in batches.
func TestInfer(t *testing.T) {
	customers := all(t)[:25]
	for _, variant := range []string{"v1", "good", "wrong", "drift"} {
		url, m := start(t, variant), model(t, variant)
		var labels, probabilities []any
		for _, c := range customers {
			label, p, err := m.Predict(c)
			if err != nil {
				t.Fatal(err)
			}
			labels, probabilities = append(labels, label), append(probabilities, p)
			got := infer(t, url, string(c.RequestBody()))
			if got.ModelName != "churn" || got.ModelVersion != variant || got.ID == nil || *got.ID != c.ID {
				t.Errorf("%s: answered by %s %s with id %v", c.ID, got.ModelName, got.ModelVersion, got.ID)
			}
			checkOutputs(t, got, []any{label}, []any{p})
		}
		request := batch(t, customers)
		request.ID = ""
		got := infer(t, url, string(mustMarshal(request)))
		if got.ID != nil {
			t.Errorf("an id %q where none was sent", *got.ID)
		}
		checkOutputs(t, got, labels, probabilities)
	}
}

func checkOutputs(t *testing.T, got answerOf, labels, probabilities []any) {
	t.Helper()
	want := []struct {
		tensorMetadata
		Data []any
	}{
		{tensorMetadata{"label", "BYTES", []int{len(labels)}}, labels},
		{tensorMetadata{"probability", "FP64", []int{len(labels)}}, probabilities},
	}
	if diff := cmp.Diff(want, got.Outputs, cmp.AllowUnexported(want[0])); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestInferRequestedOutputs(t *testing.T) {
	url := start(t, "good")
	request := batch(t, all(t)[:1])
	request.Outputs = []requestedOutput{{"probability"}}
	got := infer(t, url, string(mustMarshal(request)))
	if len(got.Outputs) != 1 || got.Outputs[0].Name != "probability" {
		t.Errorf("asked for probability, got %+v", got.Outputs)
	}
}

// Shapes [n, 1], flat and nested, null for a missing total, any number type
// and fields of the protocol that mean nothing here are all accepted.
func TestInferAcceptedForms(t *testing.T) {
	url := start(t, "good")
	c := all(t)[0]
	body := string(c.RequestBody())
	want := infer(t, url, body).Outputs
	for name, change := range map[string][2]string{
		"flat column":   {`"tenure","shape":[1]`, `"tenure","shape":[1,1]`},
		"nested column": {`"tenure","shape":[1],"datatype":"INT64","data":[1]`, `"tenure","shape":[1,1],"datatype":"INT64","data":[[1]]`},
		"other type":    {`"tenure","shape":[1],"datatype":"INT64"`, `"tenure","shape":[1],"datatype":"FP32"`},
		"parameters":    {`{"id"`, `{"parameters":{"x":1},"id"`},
	} {
		changed := strings.Replace(body, change[0], change[1], 1)
		if changed == body {
			t.Fatalf("%s: nothing to change in %s", name, body)
		}
		if diff := cmp.Diff(want, infer(t, url, changed).Outputs, cmp.AllowUnexported(want[0])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	null := strings.Replace(body, `"total_charges","shape":[1],"datatype":"FP64","data":[29.85]`,
		`"total_charges","shape":[1],"datatype":"FP64","data":[null]`, 1)
	if got := infer(t, url, null); len(got.Outputs) != 2 {
		t.Errorf("a null total: %+v", got)
	}
}
