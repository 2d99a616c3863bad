package inference

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadByExpression(t *testing.T) {
	for _, tc := range []struct {
		expr string
		readCase
	}{
		{"response.verdict", readCase{"class", "", `{"verdict":"spam"}`, all(class("spam"))}},
		{"response.ok", readCase{"boolean", "", `{"ok":true}`, all(class("true"))}},
		{"response.risk / 100.0", readCase{"probability", "", `{"risk":75}`, all(prob(.75))}},
		{"response.price", readCase{"regression", "", `{"price":1250.5}`, all(value(1250.5))}},
		{"response.risk > 50 ? 'high' : 'low'", readCase{"comparison of kinds", "", `{"risk":75}`, all(class("high"))}},
		{"{'class': response.c, 'confidence': response.p, 'value': 3}", readCase{"map", "", `{"c":"x","p":0.5}`, all(class("x").conf(.5).val(3))}},
		{"{'class': response.c}", readCase{"class by index", "", `{"c":2}`, all(class("2"))}},
		{"{'confidence': response.p}", readCase{"null in a map", "", `{"p":null}`, all(unread)}},
		{"response.items.map(i, {'class': i.name, 'confidence': i.p})", readCase{"list", "", `{"items":[{"name":"a","p":0.5},{"name":"b","p":1}]}`, all(class("a").conf(.5), class("b").conf(1))}},
		{"response", readCase{"list of numbers", "", `[0.5, 3]`, all(value(.5), value(3))}},
		{"response", readCase{"NaN", "", `[NaN, 0.75]`, all(unread, prob(.75))}},
		{"response", readCase{"empty list", "", `[]`, all()}},
		{"request.mode + ':' + response.v", readCase{"request", `{"mode":"m"}`, `{"v":"a"}`, all(class("m:a"))}},
		{"request == null ? 'none' : 'some'", readCase{"no request", ``, `{}`, all(class("none"))}},
		{"request == null ? 'none' : 'some'", readCase{"request that is no JSON", `a,b`, `{}`, all(class("none"))}},
		{"math.greatest(response.p)", readCase{"functions", "", `{"p":[0.25,0.75]}`, all(prob(.75))}},
		{"response.missing", readCase{"missing member", "", `{}`, nil}},
		{"response", readCase{"not a prediction", "", `[[1]]`, nil}},
		{"{'confidence': response}", readCase{"confidence above one", "", `1.5`, nil}},
		{"{'confidence': response}", readCase{"confidence that is text", "", `"high"`, nil}},
		{"{'value': response}", readCase{"value that is text", "", `"high"`, nil}},
		{"{'class': response}", readCase{"class that is a fraction", "", `0.5`, nil}},
		{"{'class': response}", readCase{"class that is a list", "", `[]`, nil}},
		{"response", readCase{"no JSON", "", `spam`, nil}},
	} {
		testRead(t, Options{Expr: tc.expr}, Custom, []readCase{tc.readCase})
	}
}

func TestExpressionReplacesRules(t *testing.T) {
	const body = `{"predictions":[0.25],"verdict":"spam"}`
	for _, p := range []Protocol{OpenInference, TFServing, MLflow, OpenAI, Custom} {
		testRead(t, Options{Expr: "response.verdict"}, p, []readCase{{p.String(), "", body, all(class("spam"))}})
	}
	testRead(t, Options{Expr: "'never'"}, OpenInferenceGRPC, []readCase{{"but not for gRPC", "",
		grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP32", shape: []uint64{1}, raw: rawFP32(.75)})), all(prob(.75))}})
}

func TestExpressionCostIsBounded(t *testing.T) {
	var list strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&list, ",%d", i)
	}
	testRead(t, Options{Expr: "response.all(a, response.all(b, a + b >= 0.0)) ? 'yes' : 'no'"}, Custom, []readCase{
		{"within", "", `[1,2,3]`, all(class("yes"))},
		{"beyond", "", "[0" + list.String() + "]", nil},
	})
}

func TestExpressionListIsBounded(t *testing.T) {
	body := []byte("[" + strings.Repeat(`"a",`, MaxPredictions+5) + `"a"]`)
	got, ok := newReader(t, Options{Expr: "response"}).Read(nil, Custom, nil, body, "")
	if !ok || len(got) != MaxPredictions {
		t.Errorf("%d predictions, ok = %v; want %d", len(got), ok, MaxPredictions)
	}
}
