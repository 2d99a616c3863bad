package inference

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNewRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxClass+1)
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"threshold above one":   {Options{Threshold: 1.5}, "threshold 1.5"},
		"negative threshold":    {Options{Threshold: -.1}, "threshold -0.1"},
		"threshold NaN":         {Options{Threshold: math.NaN()}, "threshold NaN"},
		"negative size":         {Options{MaxBody: -1}, "largest body to read -1"},
		"one class":             {Options{Classes: []string{"a"}}, "every class"},
		"empty class":           {Options{Classes: []string{"a", ""}}, "classes[1]"},
		"long class":            {Options{Classes: []string{long, "a"}}, "classes[0]"},
		"class not UTF-8":       {Options{Classes: []string{"a", "\xff"}}, "classes[1]"},
		"too many classes":      {Options{Classes: make([]string, maxNames+1)}, "1025 names"},
		"expression syntax":     {Options{Expr: "response.\n  label +"}, "expression, line 2, column 10"},
		"expression unknown":    {Options{Expr: "response.x + respons.y"}, "expression, line 1, column 14: undeclared reference to 'respons'"},
		"expression of no use":  {Options{Expr: "timestamp('2026-01-01T00:00:00Z')"}, "expression gives google.protobuf.Timestamp"},
		"expression, bad types": {Options{Expr: "1 + 'a'"}, "line 1, column 3"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tc.o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error = %v, want one that says %q", err, tc.want)
			}
			if strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("error has more than one line: %q", err)
			}
		})
	}
}

func TestClassesAreCopied(t *testing.T) {
	names := []string{"a", "b"}
	r := newReader(t, Options{Classes: names})
	names[1] = "changed"
	got, _ := r.Read(nil, Custom, nil, []byte(`[0.75]`), "")
	if got[0].Class != "b" {
		t.Errorf("class = %q after the caller changed its names", got[0].Class)
	}
}

func TestBounds(t *testing.T) {
	t.Run("body", func(t *testing.T) {
		r := newReader(t, Options{MaxBody: 10})
		if _, ok := r.Read(nil, Custom, nil, []byte(`"12345678"`), ""); !ok {
			t.Error("a body of the limit is unread")
		}
		if _, ok := r.Read(nil, Custom, nil, []byte(`"123456789"`), ""); ok {
			t.Error("a body above the limit was read")
		}
		if _, ok := r.ReadBinary(nil, nil, []byte(`{"outputs":[]}`), 14); ok {
			t.Error("a binary body above the limit was read")
		}
	})
	t.Run("event stream", func(t *testing.T) {
		if _, ok := newReader(t, Options{}).Read(nil, Custom, nil, []byte(`"a"`), "text/event-stream"); ok {
			t.Error("an event stream was read as a document")
		}
	})
	t.Run("outputs", func(t *testing.T) {
		one := `{"name":"p","shape":[1],"datatype":"FP32","data":[0.75]}`
		body := `{"outputs":[` + one + strings.Repeat(","+one, 100) + `]}`
		got, ok := newReader(t, Options{}).Read(nil, OpenInference, nil, []byte(body), "")
		if diff := cmp.Diff(all(prob(.75)), got); !ok || diff != "" {
			t.Errorf("ok = %v\n%s", ok, diff)
		}
	})
	t.Run("class names", func(t *testing.T) {
		for in, want := range map[string]string{
			strings.Repeat("é", 40):           strings.Repeat("é", 32),
			"a" + strings.Repeat("é", 40):     "a" + strings.Repeat("é", 31),
			"bad \xff byte":                   "bad \uFFFD byte",
			strings.Repeat("\xffa", MaxClass): strings.Repeat("\uFFFDa", 16),
		} {
			got, ok := newReader(t, Options{}).Read(nil, Custom, nil, []byte(`["`+in+`"]`), "")
			if !ok || got[0].Class != want {
				t.Errorf("class of %q = %q, want %q", in, got[0].Class, want)
			}
		}
	})
}

func TestPredictionsAreBounded(t *testing.T) {
	const n = MaxPredictions + 10
	list := "[" + strings.Repeat("0,", n-1) + "0]"
	raw := grpcBody(inferResponse(inferOutput{name: "p", datatype: "UINT8", shape: []uint64{n}, raw: make([]byte, n)}))
	for name, tc := range map[string]struct {
		p    Protocol
		body string
	}{
		"rows":    {TFServing, `{"predictions":` + list + `}`},
		"columns": {TFServing, `{"outputs":{"y":` + list + `}}`},
		"tensor":  {OpenInference, fmt.Sprintf(`{"outputs":[{"name":"p","shape":[%d],"data":%s}]}`, n, list)},
		"gRPC":    {OpenInferenceGRPC, raw},
		"twice":   {OpenInferenceGRPC, raw + raw},
		"choices": {OpenAI, `{"choices":[` + strings.Repeat("{},", n-1) + `{}]}`},
		"classes": {Custom, "[" + strings.Repeat(`"a",`, n-1) + `"a"]`},
	} {
		got, ok := newReader(t, Options{}).Read(nil, tc.p, nil, []byte(tc.body), "")
		if !ok || len(got) != MaxPredictions {
			t.Errorf("%s: %d predictions, ok = %v; want %d", name, len(got), ok, MaxPredictions)
		}
	}
}

func TestInternTableIsBounded(t *testing.T) {
	var table internTable
	for i := range 2 * maxInterned {
		name := fmt.Sprintf("class %d", i)
		if got := table.class(name); got != name {
			t.Fatalf("class(%q) = %q", name, got)
		}
	}
	if n := len(*table.names.Load()); n != maxInterned {
		t.Errorf("%d names are kept, want %d", n, maxInterned)
	}
}

func TestReaderIsSafeForConcurrentUse(t *testing.T) {
	r := newReader(t, Options{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				name := fmt.Sprintf("class %d", (w*7+i)%20)
				body := fmt.Appendf(nil, `{"predictions":[{"label":%q,"score":0.75},NaN]}`, name)
				got, ok := r.Read(nil, TFServing, nil, body, "")
				if diff := cmp.Diff(all(class(name).conf(.75).val(.75), unread), got); !ok || diff != "" {
					t.Errorf("ok = %v\n%s", ok, diff)
					return
				}
			}
		})
	}
	wg.Wait()
}

// However a batch is encoded, the same probabilities give the same predictions.
func TestEncodingsAgree(t *testing.T) {
	r := newReader(t, Options{})
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 20).Draw(t, "probabilities")
		rows := make([]string, len(ps))
		var want []Prediction
		for i, p := range ps {
			rows[i] = fmt.Sprintf("[%v]", p)
			want = append(want, prob(p))
		}
		list := "[" + strings.Join(rows, ",") + "]"
		for _, tc := range []struct {
			p    Protocol
			body string
		}{
			{TFServing, `{"predictions":` + list + `}`},
			{TFServing, `{"outputs":` + list + `}`},
			{TFServing, `{"outputs":{"p":` + list + `}}`},
			{OpenInference, fmt.Sprintf(`{"outputs":[{"name":"p","shape":[%d,1],"datatype":"FP64","data":%s}]}`, len(ps), list)},
			{OpenInferenceGRPC, grpcBody(inferResponse(inferOutput{name: "p", datatype: "FP64", shape: []uint64{uint64(len(ps)), 1}, raw: rawFP64(ps...)}))},
		} {
			got, ok := r.Read(nil, tc.p, nil, []byte(tc.body), "")
			if diff := cmp.Diff(want, got); !ok || diff != "" {
				t.Fatalf("%v, %s: ok = %v (-want +got):\n%s", tc.p, tc.body, ok, diff)
			}
		}
	})
}
