package inference

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Short forms for expected predictions.

func class(name string) Prediction { return Prediction{Class: name, HasClass: true} }
func value(x float64) Prediction   { return Prediction{Value: x, HasValue: true} }

func (p Prediction) conf(x float64) Prediction {
	p.Confidence, p.HasConfidence = x, true
	return p
}

func (p Prediction) val(x float64) Prediction {
	p.Value, p.HasValue = x, true
	return p
}

// prob is what the probability x of the class "1" amounts to.
func prob(x float64) Prediction {
	if x >= 0.5 {
		return class("1").conf(x).val(x)
	}
	return class("0").conf(1 - x).val(x)
}

var unread = Prediction{}

func newReader(t testing.TB, o Options) *Reader {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readCase is one response and what it says; want nil means that it is unread.
type readCase struct {
	name, request, response string
	want                    []Prediction
}

func all(p ...Prediction) []Prediction { return append([]Prediction{}, p...) }

func testRead(t *testing.T, o Options, p Protocol, cases []readCase) {
	t.Helper()
	r := newReader(t, o)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			body := []byte(tc.response)
			first := value(-1)
			got, ok := r.Read([]Prediction{first}, p, []byte(tc.request), body, "application/json")
			if string(body) != tc.response {
				t.Error("the body was changed")
			}
			if ok != (tc.want != nil) {
				t.Fatalf("ok = %v, predictions %+v", ok, got)
			}
			clear(body) // nothing kept may refer to it
			if diff := cmp.Diff(append(all(first), tc.want...), got, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
				t.Errorf("predictions differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadOpenInference(t *testing.T) {
	const one = `{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[1,2,3]}]}`
	testRead(t, Options{}, OpenInference, []readCase{
		{"MLServer, sklearn predict", "",
			`{"model_name":"churn","model_version":"v0.1.0","id":"e9d2","parameters":{},"outputs":[{"name":"predict","shape":[2,1],"datatype":"INT64","parameters":{"content_type":"np"},"data":[1,0]}]}`,
			all(prob(1), prob(0))},
		{"MLServer, predict and predict_proba", "",
			`{"outputs":[{"name":"predict","shape":[2,1],"datatype":"INT64","data":[1,0]},{"name":"predict_proba","shape":[2,2],"datatype":"FP64","data":[0.2,0.8,0.9,0.1]}]}`,
			all(class("1").conf(.8).val(.8), class("0").conf(.9).val(.1))},
		{"sklearn-onnx, label and map of probabilities", "",
			`{"outputs":[{"name":"output_label","shape":[1],"datatype":"INT64","data":[2]},{"name":"output_probability","shape":[1,3],"datatype":"FP32","data":[0.1,0.2,0.7]}]}`,
			all(class("2").conf(.7))},
		{"MLServer, hugging face", "",
			`{"outputs":[{"name":"output","shape":[1,1],"datatype":"BYTES","data":["{\"label\": \"POSITIVE\", \"score\": 0.9998}"]}]}`,
			all(class("POSITIVE").conf(.9998).val(.9998))},
		{"Triton softmax", "",
			`{"model_name":"densenet","outputs":[{"name":"fc6_1","datatype":"FP32","shape":[2,3],"data":[0.1,0.2,0.7,0.6,0.3,0.1]}]}`,
			all(class("2").conf(.7), class("0").conf(.6))},
		{"nested data", "", `{"outputs":[{"name":"p","datatype":"FP32","shape":[2,2],"data":[[0.1,0.9],[0.6,0.4]]}]}`,
			all(class("1").conf(.9).val(.9), class("0").conf(.6).val(.4))},
		{"shape [N]", "", `{"outputs":[{"name":"p","shape":[3],"datatype":"FP64","data":[0.2,0.5,0.9]}]}`,
			all(prob(.2), prob(.5), prob(.9))},
		{"shape [K] of one instance", one, `{"outputs":[{"name":"p","shape":[3],"datatype":"FP64","data":[0.2,0.1,0.7]}]}`,
			all(class("2").conf(.7))},
		{"regression", "", `{"outputs":[{"name":"y","shape":[2,1],"datatype":"FP32","data":[0.5,17.25]}]}`,
			all(value(.5), value(17.25))},
		{"texts", "", `{"outputs":[{"name":"y","shape":[2],"datatype":"BYTES","data":["yes","no"]}]}`,
			all(class("yes"), class("no"))},
		{"booleans", "", `{"outputs":[{"name":"y","shape":[2],"datatype":"BOOL","data":[true,false]}]}`,
			all(class("true"), class("false"))},
		{"no shape", "", `{"outputs":[{"name":"y","datatype":"FP32","data":[[0.25,0.75],[0.5,0.5]]}]}`,
			all(class("1").conf(.75).val(.75), class("0").conf(.5).val(.5))},
		{"shape of a scalar", "", `{"outputs":[{"name":"y","shape":[],"datatype":"FP32","data":[0.75]}]}`, all(prob(.75))},
		{"an embedding beside the label", "",
			`{"outputs":[{"name":"hidden","shape":[4],"datatype":"FP32","data":[1,2,3,4]},{"name":"class","shape":[1],"datatype":"BYTES","data":["cat"]}]}`,
			all(class("cat"))},
		{"a score of other instances", "",
			`{"outputs":[{"name":"score","shape":[2],"datatype":"FP32","data":[0.5,0.25]},{"name":"class","shape":[1],"datatype":"BYTES","data":["cat"]}]}`,
			all(class("cat"))},
		{"more outputs of one meaning", "",
			`{"outputs":[{"name":"label","shape":[1],"datatype":"BYTES","data":["cat"]},{"name":"class_id","shape":[1],"datatype":"INT64","data":[4]}]}`,
			all(class("cat"))},
		{"confidence apart", "",
			`{"outputs":[{"name":"label","shape":[1],"datatype":"BYTES","data":["cat"]},{"name":"confidence","shape":[1],"datatype":"FP32","data":[0.6]}]}`,
			all(class("cat").conf(.6))},
		{"classification of Triton", `{"outputs":[{"name":"p","parameters":{"classification":2}}]}`,
			`{"outputs":[{"name":"p","shape":[2,2],"datatype":"BYTES","data":["0.75:281:tabby","0.2:282:tiger","9.5:3","1.5:4"]}]}`,
			all(class("tabby").conf(.75), class("3").val(9.5))},
		{"texts that only look like it", "", `{"outputs":[{"name":"p","shape":[1],"datatype":"BYTES","data":["0.75:281:tabby"]}]}`,
			all(class("0.75:281:tabby"))},
	})
}

func TestReadOpenInferenceUnread(t *testing.T) {
	testRead(t, Options{}, OpenInference, []readCase{
		{"not a number keeps its place", "", `{"outputs":[{"name":"p","shape":[4],"datatype":"FP32","data":[NaN,0.75,-Infinity,Infinity]}]}`,
			all(unread, prob(.75), unread, unread)},
		{"NaN in a vector", "", `{"outputs":[{"name":"p","shape":[1,2],"datatype":"FP32","data":[NaN,1]}]}`, all(unread)},
		{"logits", "", `{"outputs":[{"name":"p","shape":[1,3],"datatype":"FP32","data":[3.5,-1,0]}]}`, all(unread)},
		{"no instance", "", `{"outputs":[{"name":"p","shape":[0],"datatype":"FP32","data":[]}]}`, all()},
		{"fewer elements than the shape says", "", `{"outputs":[{"name":"p","shape":[3],"datatype":"FP32","data":[1,2]}]}`, nil},
		{"more elements than the shape says", "", `{"outputs":[{"name":"p","shape":[1],"datatype":"FP32","data":[1,2]}]}`, nil},
		{"negative shape", "", `{"outputs":[{"name":"p","shape":[-1],"datatype":"FP32","data":[1]}]}`, nil},
		{"huge shape", "", `{"outputs":[{"name":"p","shape":[4e9,4e9,4e9],"datatype":"FP32","data":[1]}]}`, nil},
		{"empty columns", "", `{"outputs":[{"name":"p","shape":[1000000,0],"datatype":"FP32","data":[]}]}`, nil},
		{"binary data without a head length", "", "{\"outputs\":[{\"name\":\"p\",\"shape\":[1],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":4}}]}\x00\x00\x80\x3f", nil},
		{"error", "", `{"error":"model not found"}`, nil},
		{"cut short", "", `{"outputs":[{"name":"p","shape":[1],"data":[0.`, nil},
		{"empty", "", ``, nil},
		{"no JSON", "", `<html>`, nil},
	})
}

func TestReadTFServing(t *testing.T) {
	testRead(t, Options{}, TFServing, []readCase{
		{"sigmoid", "", `{"predictions": [[0.83], [0.25]]}`, all(prob(.83), prob(.25))},
		{"softmax", "", `{"predictions": [[0.1, 0.7, 0.2], [0.98, 0.01, 0.01]]}`, all(class("1").conf(.7), class("0").conf(.98))},
		{"scalars", "", `{"predictions": [0, 1, 1]}`, all(prob(0), prob(1), prob(1))},
		{"regression", "", `{"predictions": [[2.5], [0.25], [-1]]}`, all(value(2.5), value(.25), value(-1))},
		{"bare NaN and Infinity", "", `{"predictions": [NaN, 0.75, -Infinity, 0.25]}`, all(unread, prob(.75), unread, prob(.25))},
		{"estimator", "",
			`{"predictions":[{"logits":[1.5],"logistic":[0.8],"probabilities":[0.2,0.8],"class_ids":[1],"classes":["1"]}]}`,
			all(class("1").conf(.8).val(.8))},
		{"all classes with scores", "", `{"predictions":[{"classes":["no","maybe","yes"],"scores":[0.2,0.2,0.6]}]}`, all(class("yes").conf(.6))},
		{"columns, one output", "", `{"outputs": [[0.2, 0.8], [0.6, 0.4]]}`, all(class("1").conf(.8).val(.8), class("0").conf(.6).val(.4))},
		{"columns, named outputs", "", `{"outputs": {"probabilities": [[0.2,0.8],[0.75,0.25]], "classes": ["yes","no"], "embedding": [1,2,3]}}`,
			all(class("yes").conf(.8).val(.8), class("no").conf(.75).val(.25))},
		{"classify", "", `{"result": [[["no",0.2],["yes",0.8]],[["no",0.6],["yes",0.4]]]}`,
			all(class("yes").conf(.8).val(.8), class("no").conf(.6).val(.6))},
		{"classify without vocabulary", "", `{"results": [[["",0.2],["",0.8]]]}`, all(class("1").conf(.8).val(.8))},
		{"regress, result", "", `{"result": [1.5, 20]}`, all(value(1.5), value(20))},
		{"regress, results", "", `{"results": [1.5, 20]}`, all(value(1.5), value(20))},
		{"KServe v1", "", `{"predictions":["setosa","virginica"]}`, all(class("setosa"), class("virginica"))},
		{"no instances", "", `{"predictions": []}`, all()},
		{"ragged columns", "", `{"outputs": {"p": [[1,2],[3]]}}`, nil},
		{"error", "", `{"error": "Malformed request"}`, nil},
		{"something else", "", `{"model_version_status":[]}`, nil},
		{"NaN in the wrong place", "", `{"predictions": [1NaN]}`, nil},
	})
}

func TestReadMLflow(t *testing.T) {
	testRead(t, Options{}, MLflow, []readCase{
		{"classes as numbers", "", `{"predictions": [0, 1, 0]}`, all(prob(0), prob(1), prob(0))},
		{"more than two classes", "", `{"predictions": [0, 2, 1]}`, all(value(0), value(2), value(1))},
		{"texts", "", `{"predictions": ["No", "Yes"]}`, all(class("No"), class("Yes"))},
		{"data frame", "", `{"predictions": [{"prediction": 1, "probability": 0.87}, {"prediction": 0, "probability": 0.13}]}`,
			all(class("1").conf(.87).val(.87), class("0").conf(.87).val(.13))},
		{"data frame, one column", "", `{"predictions": [{"0": 0.25}, {"0": 0.5}]}`, all(prob(.25), prob(.5))},
		{"regression with confidence", "", `{"predictions": [{"prediction": 21.5, "confidence": 0.9}]}`, all(value(21.5).conf(.9))},
		{"one object", "", `{"predictions": {"label": "yes", "score": 0.75}}`, all(class("yes").conf(.75).val(.75))},
		{"null", "", `{"predictions": [null, "a"]}`, all(unread, class("a"))},
		{"as SageMaker containers answer", "", `[0.25, 7]`, all(value(.25), value(7))},
	})
}

func TestReadOpenAI(t *testing.T) {
	testRead(t, Options{}, OpenAI, []readCase{
		{"chat", "", `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","tool_calls":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,"completion_tokens_details":{"reasoning_tokens":0}}}`,
			all(class("stop").val(12))},
		{"completion", "", `{"object":"text_completion","choices":[{"text":"Hi","finish_reason":"length"}],"usage":{"completion_tokens":16}}`, all(class("length").val(16))},
		{"two choices", "", `{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}],"usage":{"completion_tokens":30}}`, all(class("stop"), class("length"))},
		{"no reason", "", `{"choices":[{"finish_reason":null}]}`, all(unread)},
		{"another reason", "", `{"choices":[{"finish_reason":"abort"}]}`, all(class("abort"))},
		{"embeddings", "", `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,0.5]}],"usage":{"prompt_tokens":8}}`, all()},
		{"responses", "", `{"id":"resp_1","object":"response","status":"completed","error":null,"output":[{"type":"message"}],"usage":{"output_tokens":7}}`, all(class("completed").val(7))},
		{"error in 200", "", `{"error":{"message":"overloaded","type":"server_error"}}`, nil},
		{"something else", "", `{"object":"model"}`, nil},
	})
}
