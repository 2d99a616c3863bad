package v1alpha1

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// local is a file of one machine with lines below analysis.
func local(lines string) string {
	return `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  endpoints: {stable: {version: v1, url: "http://127.0.0.1:1"}, canary: {version: v2, url: "http://127.0.0.1:2"}}
  strategy: {canary: {}}
  routing: {gateway: {listen: ":0"}}
  analysis:
` + lines + "\n"
}

// TestReadingsOnOneMachine: what is of a cluster is refused, with what to write
// instead; identities of AWS are not asked for.
func TestReadingsOnOneMachine(t *testing.T) {
	document := func(url, path string) string {
		return fmt.Sprintf(`    guardrails: [{name: a, from: {json: {url: %q, path: %q}}, max: 1}]`, url, path)
	}
	for lines, want := range map[string]string{
		`    guardrails: [{name: a, query: x, max: 1}]`: "in local mode there is none: write from: {prometheus:",
		document("http://q/?n={{namespace}}", "$.a"):    "{{namespace}}, which is of a cluster",
		document("http://q/?n={{pods}}", "$.a"):         "{{pods}}, which is of a cluster",
		document("http://q/", "$.a["):                   `"$.a[" is no JSONPath`,
		document("http://q/?n={{", "$.a"):               "is no address to ask",
		document("http://q/{{version}}", "$.a"):         "",
		`    guardrails: [{name: a, from: {cloudWatch: {region: eu-north-1, expression: SUM(x)}}, max: 1}]`:             "",
		`    guardrails: [{name: a, from: {prometheus: {address: "http://p", query: "x{{{arm}}}"}}, max: 1}]`:           "has two braces that are no placeholder",
		`    guardrails: [{name: a, from: {json: {url: "http://q", path: $.a, tokenFrom: {name: s, key: k}}}, max: 1}]`: "are of a Secret on a cluster",
		`    metrics: [{name: a, gauge: {from: {json: {url: "http://q/{{arm}}", path: $.a}}, maxRatio: 1.1}}]`:          "compare gauges alone",
	} {
		_, err := Load("f.yaml", strings.NewReader(local(lines)))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\n%v\nwant %q", lines, err, want)
		}
	}
}

func TestReadingsHaveDefaults(t *testing.T) {
	m, err := Load("f.yaml", strings.NewReader(local(`    guardrails:
    - {name: a, from: {datadog: {query: "max:x{*}", apiKeyFrom: {env: A}, appKeyFrom: {env: B}}}, max: 1}
    - {name: b, from: {json: {url: "http://q", path: $.a}}, min: 0, failures: 2, of: 5}
    anomalies: [{name: a, from: {prometheus: {address: "http://p", query: x}}}]`)))
	if err != nil {
		t.Fatal(err)
	}
	a := m.Spec.Analysis
	if g := a.Guardrails[0]; g.Consecutive != 3 || g.Every.Duration != 30*time.Second || g.Effect != "Rollback" || g.OnMissing != "Hold" ||
		g.From.Datadog.Address != DatadogAddress || g.From.Datadog.Window.Duration != 5*time.Minute {
		t.Errorf("guardrail %+v", g)
	}
	if g := a.Guardrails[1]; g.Consecutive != 0 || g.Failures != 2 || g.Of != 5 {
		t.Errorf("guardrail %+v", g)
	}
	if x := a.Anomalies[0]; x.History.Duration != time.Hour || x.Every.Duration != time.Minute || *x.FalseAlarmProbability != .001 ||
		x.Direction != "Both" || x.Effect != "Hold" || x.OnMissing != "Hold" {
		t.Errorf("anomaly %+v", x)
	}
	want := map[string]string{"guardrails[0].from.datadog.address": DatadogAddress, "guardrails[1].from.json.url": "http://q", "anomalies[0].from.prometheus.address": "http://p"}
	if got := a.Addresses(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("addresses %v", got)
	}
}

// TestTheDocumentedReadingsAreRead: every example of the two pages is a file that
// a cluster takes.
func TestTheDocumentedReadingsAreRead(t *testing.T) {
	page := func(name string) []string {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			out = append(out, m[1])
		}
		return out
	}
	read := func(analysis string) {
		t.Helper()
		text := strings.Replace(onCluster, "    metrics:\n    - {name: errors, errorRate: {}}\n", analysis, 1)
		if text == onCluster {
			t.Fatal("nothing was put in")
		}
		if _, err := LoadCluster("f.yaml", strings.NewReader(text)); err != nil {
			t.Errorf("%s\n%v", analysis, err)
		}
	}
	for _, x := range page("guardrails.md") {
		_, x, _ = strings.Cut(x, "  analysis:\n")
		read(x)
	}
	all := page("providers.md")
	if len(all) < 6 {
		t.Fatalf("%d providers are documented", len(all))
	}
	for _, x := range all {
		x = strings.ReplaceAll(x, "{env: SHOP_TOKEN}", "{name: shop, key: token}")
		read("    guardrails:\n    - name: a\n      max: 1\n      " + strings.ReplaceAll(strings.TrimSpace(x), "\n", "\n      ") + "\n    metrics:\n    - {name: errors, errorRate: {}}\n")
	}
}
