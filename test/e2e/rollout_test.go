package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// model is the user's Deployment and Service, as they are before Haldane comes.
const model = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: churn, namespace: NAMESPACE}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: churn}}
  template:
    metadata:
      labels: {app: churn}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080"}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
      - name: model
        image: churn:v1
        ports: [{name: http, containerPort: 8080}, {name: grpc, containerPort: 9000}]
        readinessProbe: {httpGet: {path: /v2/health/ready, port: http}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
---
apiVersion: v1
kind: Service
metadata: {name: churn, namespace: NAMESPACE}
spec:
  selector: {app: churn}
  ports: [{name: http, port: 80, targetPort: http}, {name: grpc, port: 9000, targetPort: grpc}]
`

// rolloutFile is the ModelRollout; what is in capitals is filled in.
const rolloutFile = `
apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn, namespace: NAMESPACE}
spec:
  workload: WORKLOAD
  routing: ROUTING
  strategy: STRATEGY
  analysis:
ANALYSIS
`

// seen is a status that differs from the one before, and when it was read.
type seen struct {
	at     time.Time
	status v1alpha1.ModelRolloutStatus
}

// weight is the candidate's share as the router reports it, and whether it is
// known to be carried.
func (s seen) weight() (string, bool) {
	w := s.status.Weight
	return w.Observed, w.Observed == w.Wanted && (w.Level == "Accepted" || w.Level == "Flowing")
}

func (s seen) String() string {
	w := s.status.Weight
	return fmt.Sprintf("%s %-12s step %s canary %s wanted %s observed %s %s, %s %s | %s",
		s.at.Format("15:04:05.000"), s.status.Phase, s.status.Step, s.status.Canary.Version, w.Wanted, w.Observed, w.Level,
		s.status.Verdict, s.status.Waiting, s.status.Reason)
}

// watched is a ModelRollout whose status is read all the time.
type watched struct {
	*space
	mu      sync.Mutex
	history []seen
}

// watch reads the status of the space's rollout until the test ends.
func (s *space) watch() *watched {
	w := &watched{space: s}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				w.look()
			}
		}
	}()
	s.t.Cleanup(func() {
		close(done)
		<-ended
		if s.t.Failed() {
			s.t.Log(w.tell())
		}
	})
	return w
}

// look reads the status once. A time at which it is as before is kept too: how
// long a share lasted is the time between the first and the last of it.
func (w *watched) look() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	at := time.Now()
	var m v1alpha1.ModelRollout
	if err := w.api.Get(ctx, client.ObjectKey{Namespace: w.name, Name: "churn"}, &m); err != nil {
		return // it may not exist yet, or the API server not answer
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, seen{at, m.Status})
}

func (w *watched) all() []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.history)
}

// tell is the history with each different line once.
func (w *watched) tell() string {
	var out []string
	last := ""
	for _, s := range w.all() {
		text := s.String()
		if text[12:] != last {
			out = append(out, text)
		}
		last = text[12:]
	}
	return "the rollout's history:\n" + strings.Join(out, "\n")
}

// await waits until a status that was read after since is as ok wants it, and
// returns it.
func (w *watched) await(since time.Time, what string, ok func(v1alpha1.ModelRolloutStatus) bool) seen {
	w.t.Helper()
	var found seen
	eventually(w.t, what, func() error {
		all := w.all()
		for _, s := range all {
			if s.at.After(since) && ok(s.status) {
				found = s
				return nil
			}
		}
		if len(all) == 0 {
			return fmt.Errorf("there is no rollout")
		}
		return fmt.Errorf("%s", all[len(all)-1])
	})
	return found
}

// phase waits until the rollout of a version is in a phase.
func (w *watched) phase(since time.Time, version, phase string) seen {
	w.t.Helper()
	return w.await(since, version+" is "+phase, func(s v1alpha1.ModelRolloutStatus) bool {
		return s.Canary.Version == version && s.Phase == phase
	})
}

// carried waits until a share of the traffic is known to go to a version.
func (w *watched) carried(since time.Time, version, share string) seen {
	w.t.Helper()
	return w.await(since, version+" has "+share, func(s v1alpha1.ModelRolloutStatus) bool {
		got, known := seen{status: s}.weight()
		return s.Canary.Version == version && got == share && known
	})
}

// spans are the times during which a share of the traffic for a version was
// written at the router. Data planes take a change in a little later: Traefik
// every two seconds.
func (w *watched) spans(version, share string) (out [][2]time.Time) {
	const late, early = 2500 * time.Millisecond, 300 * time.Millisecond
	var from, to time.Time
	end := func() {
		if !from.IsZero() && to.Sub(from) > late+early {
			out = append(out, [2]time.Time{from.Add(late), to.Add(-early)})
		}
		from = time.Time{}
	}
	for _, s := range w.all() {
		x := s.status.Weight
		if s.status.Canary.Version != version || x.Observed != share || x.Wanted != share {
			end()
			continue
		}
		if from.IsZero() {
			from = s.at
		}
		to = s.at
	}
	end()
	return out
}

// split checks the shares of a version that the sender saw at each weight. The
// weight must have been there for long enough that there is something to count.
func (w *watched) split(l *load, version string, shares ...string) {
	w.t.Helper()
	for _, share := range shares {
		var percent float64
		if _, err := fmt.Sscanf(share, "%g%%", &percent); err != nil {
			w.t.Fatal(err)
		}
		n, total := 0, 0
		for _, span := range w.spans(version, share) {
			c := count(l.between(span[0], span[1]))
			for v, k := range c {
				if total += k; v == version {
					n += k
				}
			}
		}
		if total < 100 {
			w.t.Errorf("%s at %s: only %d requests were counted while it was there", version, share, total)
			continue
		}
		within(w.t, version+" at "+share, n, total, percent/100)
	}
}

// release makes version the template's image, as a user does.
func (s *space) release(version string) time.Time {
	s.t.Helper()
	at := time.Now()
	s.kubectl("set", "image", "deployment/churn", "model=churn:"+version)
	return at
}

// command sends a RolloutCommand and returns what became of it.
func (s *space) command(t *testing.T, verb string, more ...string) v1alpha1.RolloutCommandStatus {
	t.Helper()
	name := fmt.Sprintf("%s-%d", verb, time.Now().UnixNano())
	s.apply(fmt.Sprintf("apiVersion: haldane.dev/v1alpha1\nkind: RolloutCommand\nmetadata: {name: %s, namespace: NAMESPACE}\nspec: {rollout: churn, verb: %s, requestedBy: \"%s\"%s}\n",
		name, verb, s.controller.user, strings.Join(append([]string{""}, more...), ", ")))
	var out v1alpha1.RolloutCommandStatus
	eventually(t, verb+" is answered", func() error {
		var x v1alpha1.RolloutCommand
		if err := s.api.Get(context.Background(), client.ObjectKey{Namespace: s.name, Name: name}, &x); err != nil {
			return err
		}
		if out = x.Status; out.Outcome == "" {
			return fmt.Errorf("no answer yet")
		}
		return nil
	})
	return out
}

// obeyed sends a command that has to be accepted.
func (s *space) obeyed(verb string, more ...string) {
	s.t.Helper()
	if got := s.command(s.t, verb, more...); got.Outcome != v1alpha1.CommandAccepted {
		s.t.Fatalf("%s: %s: %s", verb, got.Outcome, got.Message)
	}
}
