package importer

import "testing"

func TestLimitsOf(t *testing.T) {
	for _, c := range []struct {
		text  string
		fails bool
		least string
		most  string
	}{
		{"result[0] >= 0.95", false, "0.95", ""},
		{"result > 3", false, "3", ""},
		{" result[0]<=1e3 ", false, "", "1000"},
		{"result < -2", false, "", "-2"},
		{"result[0] >= 0.05", true, "", "0.05"},
		{"result[0] < 10", true, "10", ""},
		{"result[1] < 10", false, "", ""},
		{"result[0] >= 0.9 && result[0] < 1", false, "", ""},
		{"len(result) == 0", false, "", ""},
		{"result[0] < 1.2.3", false, "", ""},
		{"", true, "", ""},
	} {
		least, most, ok := limitsOf(c.text, c.fails)
		text := func(v *float64) string {
			if v == nil {
				return ""
			}
			return trim(*v)
		}
		if text(least) != c.least || text(most) != c.most || ok != (c.least+c.most != "") {
			t.Errorf("%q (fails %v): min %q, max %q, %v", c.text, c.fails, text(least), text(most), ok)
		}
	}
}

func TestFilled(t *testing.T) {
	known := func(name string) (string, bool) {
		v, ok := map[string]string{"target": "churn", "args.service-name": "shop", "namespace": "{{namespace}}"}[name]
		return v, ok
	}
	for query, want := range map[string][2]string{
		`a{of="{{ target }}",by="{{args.service-name}}"}`: {`a{of="churn",by="shop"}`},
		"a{of=\"{{ namespace }}\"}\n":                     {`a{of="{{namespace}}"}`},
		`a{of="{{- target -}}"}`:                          {`a{of="churn"}`},
		`a{of="{{ other }}"}`:                             {"", "{{ other }}"},
		`a{of="{{ index .x 1 }}"}`:                        {"", "what stands in two braces"},
		`a{of="b"}`:                                       {`a{of="b"}`},
	} {
		out, missing := filled(query, known)
		if missing != want[1] || missing == "" && out != want[0] {
			t.Errorf("%s: %q, missing %q; want %q", query, out, missing, want)
		}
	}
}
