package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/examples/churn"
)

// ofChecks asks for a customer whose answer v1 is asked for beforehand, and warms
// both versions up. Numbers may differ by one: the classes are compared.
func ofChecks(t *testing.T) string {
	t.Helper()
	customers, err := churn.HeldOut()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]*churn.Model{}
	for _, variant := range []string{"v1", "good", "wrong"} {
		if known[variant], err = churn.Load(variant); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range customers {
		answers := map[string]string{}
		for variant, m := range known {
			if answers[variant], _, err = m.Predict(c); err != nil {
				t.Fatal(err)
			}
		}
		if answers["v1"] != answers["good"] || answers["v1"] == answers["wrong"] {
			continue
		}
		w := httptest.NewRecorder()
		known["v1"].Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v2/models/churn/infer", strings.NewReader(string(c.RequestBody()))))
		var answer struct {
			Outputs json.RawMessage `json:"outputs"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Outputs == nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		return fmt.Sprintf(`    checks:
    - name: golden
      request: {path: /v2/models/churn/infer, json: %s}
      golden: {json: {outputs: %s}, tolerance: 1}
      every: 2s
      timeout: 15s
      failures: 2
    load: {rate: 20, count: false, request: {path: /v2/models/churn/infer, json: %s}}
`, c.RequestBody(), answer.Outputs, c.RequestBody())
	}
	t.Fatal("there is no customer that v1 and good agree on and wrong does not")
	return ""
}

// testChecks: a golden request catches a wrong model before any user, and does
// not a good one; and load reaches the gateways, which do not count it.
func testChecks(s *stage) {
	at := s.release("wrong")
	end := s.watch.phase(at, "wrong", "RolledBack")
	if why := end.status.Reason; !strings.Contains(why, "check golden: failed 2 times in a row: the candidate says outputs[") || !strings.Contains(why, "stable passes") {
		s.t.Errorf("reason %q", why)
	}
	s.takenBack(at, "wrong")
	for _, x := range s.watch.all() {
		if x.at.After(at) && x.status.Weight.Wanted != "0%" && x.status.Weight.Wanted != "" {
			s.t.Errorf("it was to get %s", x.status.Weight.Wanted)
			break
		}
	}
	if n := count(s.load.between(at, time.Now()))["wrong"]; n > 0 {
		s.t.Errorf("%d users had an answer of the wrong model", n)
	}
	at = s.release("good")
	s.watch.carried(at, "good", "50%")
	eventually(s.t, "load reaches the gateways", func() error {
		got, err := s.query(`sum(haldane_gateway_warmup_requests_total{rollout="` + s.name + `/churn"})`)
		if err != nil || got == "" || got == "0" {
			return fmt.Errorf("%q requests warmed the models up: %v", got, err)
		}
		return nil
	})
	s.promoted(at, "good")
	s.load.unharmed(s.begun)
}

// query asks the cluster's Prometheus for one number, "" if it has none.
func (s *space) query(text string) (string, error) {
	c := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
	r, err := c.Get("http://10.77.0.20:9090/api/v1/query?query=" + url.QueryEscape(text))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Data.Result) == 0 {
		return "", err
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1]), nil
}
