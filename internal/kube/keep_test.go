package kube

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	statestore "github.com/haldane-dev/haldane/internal/store/kube"
)

// listing makes m list so many users, who have nothing in common.
func listing(m *v1alpha1.ModelRollout, users int) {
	rng := rand.New(rand.NewPCG(1, 2))
	m.Spec.Routing = v1alpha1.Routing{Gateway: &v1alpha1.Gateway{}, StickyBy: &v1alpha1.StickyBy{Header: "X-User"}}
	m.Spec.Analysis.Source.Prometheus.Preset = "haldane"
	for users > 0 {
		c := v1alpha1.Cohort{Name: "c" + string(rune('a'+len(m.Spec.Routing.Cohorts)))}
		for ; users > 0 && len(c.Keys) < 1000; users-- {
			var key [16]byte
			for i := range key {
				key[i] = byte(rng.Uint32())
			}
			c.Keys = append(c.Keys, hex.EncodeToString(key[:]))
		}
		m.Spec.Routing.Cohorts = append(m.Spec.Routing.Cohorts, c)
	}
}

// TestLongLists of users are kept with the rollout, and those that cannot be are
// refused by the name of their field.
func TestLongLists(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		m := document()
		listing(m, 3000) // 105 kB of JSON
		w.create(m)
		r := w.run()
		w.settle(r)
		kept, err := noted(t.Context(), statestore.New(w.server, w.server).Notes(id), noteSpec)
		if err != nil || kept == nil {
			t.Fatalf("the noted spec: %v, %v", kept, err)
		}
		if d := cmp.Diff(m.Spec.Routing.Cohorts, kept.Routing.Cohorts); d != "" {
			t.Errorf("noted (-want +got):\n%s", d)
		}
		w.offer(r, "b")
		w.until("at 10%", weight("10%"))
		w.edit(r, func(m *v1alpha1.ModelRollout) { m.Spec.Routing.Cohorts = nil })
		r.halt()
		w.run() // by what is noted
		w.until("at 50%", weight("50%"))
	})
	in(t, func(t *testing.T, w *world) {
		m := document()
		listing(m, 16_000)
		w.create(m)
		w.run()
		time.Sleep(time.Minute)
		for _, c := range w.get().Status.Conditions {
			if c.Type == v1alpha1.ConditionReady && (c.Reason != "Refused" || !strings.Contains(c.Message, "shorten the lists of spec.routing.cohorts")) {
				t.Errorf("%s: %s", c.Reason, c.Message)
			}
		}
		if n := len(w.get().Status.Conditions); n == 0 {
			t.Error("nothing is said")
		}
	})
}
