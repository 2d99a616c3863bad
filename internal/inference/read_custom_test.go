package inference

import "testing"

func TestReadCustom(t *testing.T) {
	testRead(t, Options{}, Custom, []readCase{
		{"flat object", "", `{"Label":"spam","Score":0.91,"model":"v3"}`, all(class("spam").conf(.91).val(.91))},
		{"score of 0", "", `{"prediction":0,"probability":0.25}`, all(class("0").conf(.75).val(.25))},
		{"boolean", "", `{"prediction":true,"confidence":0.75}`, all(class("true").conf(.75))},
		{"map of probabilities", "", `{"cat":0.7,"dog":0.3}`, all(class("cat").conf(.7))},
		{"named map of probabilities", "", `{"prediction":"cat","probabilities":{"cat":0.7,"dog":0.3}}`, all(class("cat").conf(.7))},
		{"nested", "", `{"prediction":{"class":"a","confidence":0.5}}`, all(class("a").conf(.5))},
		{"wrapped", "", `{"data":[{"label":"x","score":0.5}]}`, all(class("x").conf(.5).val(.5))},
		{"hugging face, all classes", "", `[[{"label":"NEG","score":0.1},{"label":"POS","score":0.9}]]`, all(class("POS").conf(.9).val(.9))},
		{"hugging face, one text", "", `[{"label":"POS","score":0.9},{"label":"NEG","score":0.1}]`, all(class("POS").conf(.9).val(.9))},
		{"hugging face, two texts", "", `[{"label":"POS","score":0.9},{"label":"NEG","score":0.8}]`,
			all(class("POS").conf(.9).val(.9), class("NEG").conf(.8).val(.8))},
		{"hugging face, zero-shot", "", `{"sequence":"…","labels":["a","b"],"scores":[0.7,0.3]}`, all(class("a").conf(.7).val(.3))},
		{"a distribution", "", `[0.25,0.75]`, all(class("1").conf(.75).val(.75))},
		{"three numbers", "", `[0.25,0.75,0.5]`, all(prob(.25), prob(.75), prob(.5))},
		{"a number", "", `0.75`, all(prob(.75))},
		{"a text", "", ` "yes" `, all(class("yes"))},
		{"as Open Inference", "", `{"outputs":[{"name":"p","shape":[1],"data":[0.75]}]}`, all(prob(.75))},
		{"as OpenAI", "", `{"choices":[{"finish_reason":"stop"}],"usage":{"completion_tokens":3}}`, all(class("stop").val(3))},
	})
}

func TestReadMembers(t *testing.T) {
	testRead(t, Options{}, Custom, []readCase{
		{"pairs", "", `{"predictions":[["yes",0.75],["no",7]]}`, all(class("yes").conf(.75), class("no"))},
		{"pairs with equal scores", "", `[[["a",0.5],["b",0.5]]]`, all(class("a").conf(.5).val(.5))},
		{"label and score vector, not its largest", "", `{"label":1,"scores":[0.6,0.4]}`, all(class("1").conf(.4).val(.4))},
		{"label 0 and score vector", "", `{"label":0,"scores":[0.4,0.6]}`, all(class("0").conf(.4).val(.6))},
		{"label and three scores, not its largest", "", `{"label":2,"scores":[0.5,0.3,0.2]}`, all(class("2"))},
		{"label that is its largest", "", `{"label":0,"scores":[0.5,0.3,0.2]}`, all(class("0").conf(.5))},
		{"independent scores", "", `{"label":"a","scores":[0.9,0.8,0.7]}`, all(class("a").conf(.9))},
		{"score that is no probability", "", `{"label":"a","score":12.5}`, all(class("a").val(12.5))},
		{"score alone", "", `{"score":0.75}`, all(prob(.75))},
		{"scores alone", "", `{"scores":[0.1,0.2,0.7]}`, all(class("2").conf(.7))},
		{"probability under the name label", "", `{"label":0.75}`, all(prob(.75))},
		{"regression under the name label", "", `{"label":7.5}`, all(value(7.5))},
		{"confidence alone", "", `{"confidence":0.75}`, all(Prediction{}.conf(.75))},
		{"confidence in per cent", "", `{"class":"a","confidence":75}`, all(class("a"))},
		{"confidences", "", `{"labels":["a","b"],"confidences":[0.25,0.75]}`, all(class("b").conf(.75).val(.75))},
		{"as many labels as not scores", "", `{"labels":["a","b","c"],"scores":[0.25,0.75]}`, all(class("1").conf(.75).val(.75))},
		{"label null", "", `{"label":null,"score":0.75}`, all(prob(.75))},
		{"label an object of no use", "", `{"label":{"x":1,"y":2}}`, all(unread)},
		{"first of two spellings", "", `{"label":"a","class":"b"}`, all(class("a"))},
		{"text that holds broken JSON", "", `"{\"label\":"`, all(class("{\"label\":"))},
		{"text that holds other JSON", "", `["{\"x\":1,\"y\":2}"]`, all(class("{\"x\":1,\"y\":2}"))},
		{"wrapped too deep", "", `{"predictions":[{"a":{"b":{"c":{"d":{"label":"x"}}}}}]}`, all(unread)},
		{"objects of no use", "", `{"predictions":[{"a":1,"b":"x"},{}]}`, all(unread, unread)},
		{"candidates without scores", "", `{"predictions":[[{"label":"a"},{"label":"b"}]]}`, all(unread)},
		{"candidates of several kinds", "", `{"predictions":[[{"label":"a","score":1},3],[["a",0.5],null]]}`, all(unread, unread)},
		{"status", "", `{"status":"ok","uptime":3}`, nil},
		{"too deep", "", `{"label":` + deep(MaxDepth) + `}`, nil},
		{"deep but allowed", "", `{"label":"a","x":` + deep(MaxDepth-1) + `}`, all(class("a"))},
	})
}

func deep(n int) string {
	b := make([]byte, 0, 2*n)
	for range n {
		b = append(b, '[')
	}
	for range n {
		b = append(b, ']')
	}
	return string(b)
}

func TestClassNames(t *testing.T) {
	t.Run("binary", func(t *testing.T) {
		testRead(t, Options{Classes: []string{"stays", "leaves"}, Threshold: 0.3}, MLflow, []readCase{
			{"scalar", "", `{"predictions":[0.3,0.25]}`, all(class("leaves").conf(.7).val(.3), class("stays").conf(.75).val(.25))},
			{"vector", "", `{"predictions":[[0.6,0.4]]}`, all(class("stays").conf(.6).val(.4))},
			{"label", "", `{"predictions":[{"label":1}]}`, all(class("leaves"))},
			{"boolean", "", `{"predictions":[true,false]}`, all(class("leaves"), class("stays"))},
			{"logits", "", `{"predictions":[[-2,3]]}`, all(class("leaves"))},
		})
	})
	t.Run("many", func(t *testing.T) {
		testRead(t, Options{Classes: []string{"a", "b", "c"}}, MLflow, []readCase{
			{"indices", "", `{"predictions":[2,0,3]}`, all(class("c"), class("a"), value(3))},
			{"no probability", "", `{"predictions":[0.5]}`, all(value(.5))},
			{"vector", "", `{"predictions":[[0.1,0.1,0.8]]}`, all(class("c").conf(.8))},
			{"index beyond", "", `{"predictions":[{"label":7}]}`, all(class("7"))},
		})
	})
}
