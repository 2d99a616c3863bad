package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// flagRollout is a rollout of a model that runs in an application, with what
// callers must present.
const flagRollout = `
apiVersion: v1
kind: Secret
metadata: {name: churn-flag-token, namespace: NAMESPACE}
stringData: {token: e2e-token}
---
apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn, namespace: NAMESPACE}
spec:
  endpoints: {stable: {version: v1}, canary: {version: v2}}
  strategy: {canary: {steps: [{weight: 5}, {weight: 25}, {weight: 50}, {weight: 100}], scaleDownDelay: 2s}}
  routing:
    flag:
      values: {stable: {model: v1}, canary: {model: v2}}
      tokenFrom: {name: churn-flag-token, key: token}
  analysis:
    source: {prometheus: {address: "http://10.77.0.20:9090", preset: haldane, scrapeInterval: 1s}}
    interval: 4s
    warmup: 1s
    maxDuration: 10m
    controls: {srm: 0.01%, dispersion: "off"}
    metrics:
    - {name: conversion, mean: {of: conversion, event: checkout, maxDecrease: 0.2, maturity: 2s}}
`

// application asks a flag which model a user gets, runs it in its own process, and
// says who has bought something.
type application struct {
	t      *testing.T
	client *http.Client
	url    string
	buys   map[string]float64 // how often, by version

	*load // users that were asked about once
	mu    sync.Mutex
	again []regular
}

// regular is what a user was told who comes again and again.
type regular struct {
	at            time.Time
	user, version string
}

// flagAnswer is an answer of OpenFeature's remote evaluation protocol.
type flagAnswer struct {
	Value    struct{ Model string }
	Variant  string
	Metadata struct{ Version, PredictionID string }
}

// runs begins to ask, until the test ends.
func (s *space) runs(buys map[string]float64) *application {
	a := &application{
		t: s.t, url: "http://churn-flag." + s.name + ".svc.cluster.local:8016", buys: buys, load: &load{t: s.t},
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}},
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			tick := time.NewTicker(time.Second * 8 / rate)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				if i%4 == 0 {
					a.regular(fmt.Sprintf("regular-%d", (worker*7+i)%40))
					continue
				}
				a.once(fmt.Sprintf("user-%d-%d", worker, i))
			}
		})
	}
	s.t.Cleanup(func() { close(done); wg.Wait() })
	return a
}

func (a *application) once(user string) {
	x := answer{at: time.Now()}
	x.version, x.err = a.use(user)
	a.load.mu.Lock()
	defer a.load.mu.Unlock()
	a.answers = append(a.answers, x)
}

func (a *application) regular(user string) {
	at := time.Now()
	version, err := a.use(user)
	if err != nil {
		return // once tells
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.again = append(a.again, regular{at, user, version})
}

// use runs the model that the flag names for a user.
func (a *application) use(user string) (version string, err error) {
	var out flagAnswer
	if err := a.post("/ofrep/v1/evaluate/flags/churn", map[string]any{"context": map[string]any{"targetingKey": user}}, http.StatusOK, &out); err != nil {
		return "", err
	}
	if out.Value.Model != out.Metadata.Version || out.Metadata.PredictionID == "" {
		a.t.Errorf("told %+v", out)
	}
	version = out.Value.Model
	if rand.Float64() < a.buys[version] {
		err = a.post("/events", map[string]any{"name": "checkout", "id": out.Metadata.PredictionID}, http.StatusAccepted, &struct{}{})
	}
	return version, err
}

func (a *application) post(path string, body any, want int, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, a.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer e2e-token")
	res, err := a.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != want {
		return fmt.Errorf("%s: %s: %.200s", path, res.Status, said)
	}
	return json.Unmarshal(said, into)
}

// sticky fails the test if a user who came again was told something else while a
// version's share was the same, or lost the version when it rose.
func (a *application) sticky(w *watched, version string, shares ...string) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	n, gained := 0, map[string]bool{}
	for _, share := range shares {
		for _, span := range w.spans(version, share) {
			told := map[string]string{}
			for _, x := range a.again {
				if x.at.Before(span[0]) || x.at.After(span[1]) {
					continue
				}
				if before, known := told[x.user]; known {
					if n++; before != x.version {
						a.t.Errorf("%s had %s and then %s at %s", x.user, before, x.version, share)
					}
				}
				told[x.user] = x.version
				if gained[x.user] && x.version != version {
					a.t.Errorf("%s had %s, and has %s at %s", x.user, version, x.version, share)
				}
				gained[x.user] = gained[x.user] || x.version == version
			}
		}
	}
	if n == 0 {
		a.t.Error("no user came again")
	}
}

// account lets gateways read their table.
func (s *space) account() {
	account, err := os.ReadFile("../../deploy/gateway/account.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	s.apply(strings.NewReplacer("namespace: default", "namespace: NAMESPACE",
		"metadata:\n", "metadata:\n  namespace: NAMESPACE\n").Replace(string(account)))
}

// flagged is a rollout by flag under way, and the application that asks.
type flagged struct {
	*space
	watch *watched
	app   *application
	begun time.Time
}

// flagged begins the rollout of v2, which is as good as v1.
func (w *world) flagged(t *testing.T, namespace string) *flagged {
	s := w.space(t, namespace)
	s.account()
	f := &flagged{space: s, watch: s.watch(), begun: time.Now()}
	s.apply(flagRollout)
	f.watch.await(f.begun, "it begins", func(x v1alpha1.ModelRolloutStatus) bool {
		return x.Canary.Version == "v2" && (x.Weight.Level == "Accepted" || x.Weight.Level == "Flowing")
	})
	f.app = s.runs(map[string]float64{"v1": 0.5, "v2": 0.5, "v3": 0.02})
	return f
}

// climbs waits until all users are told v2, each of them from some share on.
func (f *flagged) climbs() {
	f.t.Helper()
	end := f.watch.phase(f.begun, "v2", "Promoted")
	f.watch.split(f.app.load, "v2", "5%", "25%", "50%")
	f.app.sticky(f.watch, "v2", "5%", "25%", "50%")
	if !slices.ContainsFunc(end.status.Evidence, func(e v1alpha1.MetricStatus) bool { return e.Name == "conversion" && e.Decision == "Pass" }) {
		f.t.Errorf("evidence %+v", end.status.Evidence)
	}
	f.app.only("v2")
}

// testFlag: an application that asks gets the candidate by weight; one that is as
// good climbs to all users, and a worse one, named by an edit, is taken back by
// what users did. Nobody is ever told a version that is not to be run.
func testFlag(t *testing.T, w *world) {
	s := w.flagged(t, "gateway-flag")
	s.climbs()

	edited := time.Now()
	s.kubectl("patch", "modelrollout", "churn", "--type=merge", "-p",
		`{"spec":{"endpoints":{"stable":{"version":"v2"},"canary":{"version":"v3"}},"routing":{"flag":{"values":{"stable":{"model":"v2"},"canary":{"model":"v3"}}}}}}`)
	end := s.watch.phase(edited, "v3", "RolledBack")
	if !strings.Contains(end.status.Reason, "conversion") {
		t.Errorf("taken back because of %q", end.status.Reason)
	}
	got := count(s.app.between(edited, time.Now()))
	if got["v1"] > 0 || got["v3"] == 0 {
		t.Errorf("after the edit users were told %v", got)
	}
	s.app.only("v2")
	s.app.unharmed(s.begun)

	s.kubectl("delete", "modelrollout", "churn", "--wait=false")
	eventually(t, "nothing of it is left", func() error {
		left := s.kubectl("get", "gatewaytables,deployments,services,modelrollouts", "-o", "name")
		if strings.TrimSpace(left) != "" {
			return fmt.Errorf("there are %s", left)
		}
		return nil
	})
}

// testFlagKilled: a gateway and then the controllers are killed on the way. Until
// the gateway is back some questions get no answer; those that do are told what
// they were told before, and all users end with v2.
func testFlagKilled(t *testing.T, w *world) {
	s := w.flagged(t, "failures-flag")
	s.watch.carried(s.begun, "v2", "25%")
	pods := strings.Fields(s.kubectl("get", "pods", "-l", "haldane.dev/gateway=churn", "-o", "jsonpath={.items[*].metadata.name}"))
	if len(pods) != 2 {
		t.Fatalf("the gateways are %v", pods)
	}
	away := time.Now().Add(-time.Second) // with what is under way
	if err := s.controller.end(t, func(pid int) bool { return of(pid, pods[0]) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway has started again and is ready", func() error {
		return s.is("pod/"+pods[0], "{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}", "1 true")
	})
	back := time.Now().Add(time.Second) // until kube-proxy and the other gateway know
	s.watch.carried(away, "v2", "50%")
	eventually(t, "the controllers are killed", func() error { return s.controller.kill(t, "") })
	s.climbs()

	s.app.unharmedBut(s.begun, away, back)
}

// only waits until the application is told one version alone.
func (a *application) only(version string) {
	a.t.Helper()
	from := time.Now()
	eventually(a.t, version+" alone is told", func() error {
		got := count(a.between(from, time.Now()))
		if len(got) > 1 {
			from = time.Now()
		}
		if len(got) != 1 || got[version] < rate/2 {
			return fmt.Errorf("the last answers: %v", got)
		}
		return nil
	})
}

// gate is a rollout by flag that never gives its candidate to anybody: what it
// says is an edit of its values.
const gate = `
apiVersion: v1
kind: Secret
metadata: {name: gate, namespace: NAMESPACE}
stringData: {token: gate-token}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gate, namespace: NAMESPACE}
rules: [{apiGroups: [""], resources: [secrets], resourceNames: [gate], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: gate, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gate}
subjects: [{kind: ServiceAccount, name: haldane-controller, namespace: haldane-system}]
---
apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: gate, namespace: NAMESPACE}
spec:
  endpoints: {stable: {version: now}, canary: {version: never}}
  strategy: {canary: {steps: [{pause: {}}, {weight: 50}, {weight: 100}]}}
  routing:
    flag:
      values: {stable: hold, canary: never}
      tokenFrom: {name: gate, key: token}
      fleet: {replicas: 1}
  analysis:
    source: {prometheus: {address: "http://10.77.0.20:9090", preset: haldane, scrapeInterval: 1s}}
    metrics:
    - {name: conversion, mean: {of: conversion, event: checkout, maxDecrease: 0.2}}
`

// switched is the gateway with a switch that the gate keeps.
func switched() driver {
	d, before := gatewayFleet, gatewayFleet.send
	d.routing = `{gateway: {}}
  switch: {flag: {url: "http://gate-flag.gateway-switch.svc.cluster.local:8016", key: gate, tokenFrom: {name: gate, key: token}}, every: 1s, onUnknown: Hold}`
	d.send = func(s *space) sender {
		send := before(s)
		s.apply(gate)
		return send
	}
	return d
}

// testSwitch: a flag that somebody else keeps lets the rollout wait, lets it go
// on, and takes the candidate back. Its server is another rollout by flag of the
// same namespace.
func testSwitch(s *stage) {
	says := func(value string) {
		s.kubectl("patch", "modelrollout", "gate", "--type=merge", "-p", `{"spec":{"routing":{"flag":{"values":{"stable":"`+value+`"}}}}}`)
	}
	at := s.release("good")
	s.watch.await(at, "it is held before it begins", func(x v1alpha1.ModelRolloutStatus) bool {
		return x.Canary.Version == "good" && strings.Contains(x.Waiting, "says hold")
	})
	s.settledFor(3*time.Second, func(x v1alpha1.ModelRolloutStatus) bool { return x.Weight.Wanted == "0%" })
	says("run")
	s.watch.carried(at, "good", "50%")
	says("rollback")
	end := s.watch.phase(at, "good", "RolledBack")
	if !strings.Contains(end.status.Reason, "says rollback") {
		s.t.Errorf("taken back because of %q", end.status.Reason)
	}
	s.takenBack(at, "good")
	s.load.unharmed(s.begun)
}
