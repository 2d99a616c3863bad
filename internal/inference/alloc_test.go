//go:build !race

package inference

import "testing"

// Under the race detector sync.Pool drops items at random, so these counts
// hold only without it.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]Prediction, 0, 16)
	for _, tc := range []struct {
		name string
		p    Protocol
		body string
	}{
		{"OIP", OpenInference, `{"model_name":"churn","id":"a","outputs":[{"name":"p","shape":[1],"datatype":"FP64","data":[0.8]}]}`},
		{"OIP label and score", OpenInference, `{"outputs":[{"name":"label","shape":[1],"datatype":"BYTES","data":["yes"]},{"name":"proba","shape":[1,2],"datatype":"FP32","data":[0.1,0.9]}]}`},
		{"OIP NaN", OpenInference, `{"outputs":[{"name":"p","shape":[2],"datatype":"FP64","data":[NaN,0.8]}]}`},
		{"TF Serving", TFServing, `{"predictions":[[0.1,0.9],[0.7,0.3]]}`},
		{"MLflow", MLflow, `{"predictions":[{"label":"no","probability":0.7}]}`},
		{"OpenAI", OpenAI, `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"completion_tokens":3}}`},
		{"custom", Custom, `{"class":"tabby","confidence":0.93}`},
		{"class by a large index", OpenInference, `{"outputs":[{"name":"label","shape":[1],"datatype":"INT64","data":[4711]}]}`},
	} {
		body := []byte(tc.body)
		read := func() {
			var ok bool
			if dst, ok = r.Read(dst[:0], tc.p, nil, body, "application/json"); !ok || len(dst) == 0 {
				t.Fatalf("%s: %s is unread", tc.name, body)
			}
		}
		read()
		if n := testing.AllocsPerRun(500, read); n != 0 {
			t.Errorf("%s: %v allocations", tc.name, n)
		}
	}
}
