package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// kept is the event of a customer who stays because they were told the truth.
const kept = "kept"

// ofEvents is the metric of those customers: 77% of v1's and 57% of wrong's.
const ofEvents = `    - {name: kept, mean: {of: conversion, event: kept, maxDecrease: 0.08, maturity: 5s}, tolerate: 25%}
`

// ofGuardrail is the share of the candidate's answers that are yes, a limit without
// a twin: 22% of good's and 60% of drift's. 0 without any: a guardrail that cannot
// be read holds the rollout, and would keep away the traffic that it is read from.
const ofGuardrail = `    guardrails:
    - name: says-yes
      query: 'sum(rate(model_predicted_classes_total{class="yes",namespace="{{namespace}}",pod=~"{{pods}}"}[10s])) / clamp_min(sum(rate(model_predicted_classes_total{namespace="{{namespace}}",pod=~"{{pods}}"}[10s])), 0.001) or vector(0)'
      max: 0.45
      consecutive: 8
      every: 1s
`

// told is the label that an answer gives, and leaves the answer to be read.
func told(r *http.Response) (string, error) {
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		Outputs []struct {
			Name string
			Data []any
		}
	}
	_ = json.Unmarshal(body, &answer) // an error of the model has no label
	for _, o := range answer.Outputs {
		if o.Name == "label" && len(o.Data) == 1 {
			said, _ := o.Data[0].(string)
			return said, nil
		}
	}
	return "", nil
}

// testEvents: a model that answers at once, never fails, says yes as often as
// stable, and costs customers: what they do next tells.
func testEvents(s *stage) {
	at := s.release("wrong")
	end := s.watch.phase(at, "wrong", "RolledBack")
	for _, e := range end.status.Evidence {
		if (e.Name == "kept") != (e.Decision == "Fail") {
			s.t.Errorf("%s: %s: %s", e.Name, e.Decision, e.Reason)
		}
	}
	s.takenBack(at, "wrong")
	s.labels.taken()
	s.load.unharmed(s.begun)
	s.saw("wrong", at, end)
}

// testGuardrail: a limit of a query takes a model back that no comparison looks
// at, and lets another one pass.
func testGuardrail(s *stage) {
	at := s.release("drift")
	end := s.watch.phase(at, "drift", "RolledBack")
	if why := end.status.Reason; !strings.Contains(why, "guardrail says-yes") || !strings.Contains(why, "0.45") {
		s.t.Errorf("the reason is %q", why)
	}
	s.takenBack(at, "drift")
	at = time.Now()
	s.release("good")
	s.promoted(at, "good")
	s.load.unharmed(s.begun)
}

// testTimes: of a shadow that takes longer than stable, each copy tells, and no
// user waits for it.
func testTimes(s *stage) {
	s.takenBack(s.release("slow"), "slow")
	s.unseen()
	s.load.unharmed(s.begun)
}
