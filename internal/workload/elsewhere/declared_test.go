package elsewhere

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/workload"
)

// notes outlive the controller.
type notes struct {
	kept   map[string]string
	writes int
	broken error
}

func (n *notes) Get(_ context.Context, key string) ([]byte, error) {
	if n.kept[key] == "" {
		return nil, n.broken
	}
	return []byte(n.kept[key]), n.broken
}

func (n *notes) Put(_ context.Context, key string, value []byte) error {
	before := maps.Clone(n.kept)
	if n.kept == nil {
		n.kept = map[string]string{}
	}
	n.kept[key] = string(value)
	if !maps.Equal(before, n.kept) {
		n.writes++
	}
	return n.broken
}

func spec(stable, canary string, values ...string) *v1alpha1.Spec {
	s := &v1alpha1.Spec{
		Endpoints: &v1alpha1.Endpoints{Stable: v1alpha1.Endpoint{Version: stable}, Canary: v1alpha1.Endpoint{Version: canary}},
		Routing:   v1alpha1.Routing{Flag: &v1alpha1.Flag{}},
	}
	if len(values) == 2 {
		s.Routing.Flag.Values = &v1alpha1.FlagValues{Stable: json.RawMessage(values[0]), Canary: json.RawMessage(values[1])}
	}
	return s
}

var at = workload.Target{Rollout: "shop/churn"}

// TestRevisions: what an application does by a flag is its version and its value,
// however that is spelt.
func TestRevisions(t *testing.T) {
	plain, again := ArmsOf(spec("v1", "v2")), ArmsOf(spec("v2", "v3"))
	if plain[traffic.Canary].Hash != again[traffic.Stable].Hash || plain[traffic.Stable].Hash == plain[traffic.Canary].Hash {
		t.Errorf("v2 is %+v as candidate and %+v as stable", plain[traffic.Canary], again[traffic.Stable])
	}
	one := ArmsOf(spec("v1", "v2", `{"a": 1, "b": 12345678901234567890}`, `{"a":2}`))
	for name, x := range map[string]struct {
		value string
		same  bool
	}{
		"another order": {`{"b":12345678901234567890,"a":1}`, true}, "another number": {`{"a":1,"b":12345678901234567891}`, false}, "none": {"", false},
	} {
		other := ArmsOf(spec("v1", "v2", x.value, `{"a":2}`))
		if got := one[traffic.Stable].Hash == other[traffic.Stable].Hash; got != x.same {
			t.Errorf("%s: the same revision: %v, want %v", name, got, x.same)
		}
		if one[traffic.Canary].Hash != other[traffic.Canary].Hash {
			t.Errorf("%s of stable changes the candidate", name)
		}
	}
	if got := string(one[traffic.Stable].Value); got != `{"a":1,"b":12345678901234567890}` {
		t.Errorf("value %s", got)
	}
}

// TestDeclared: an edit changes nothing under users before it has been begun, nor
// does a controller that begins anew.
func TestDeclared(t *testing.T) {
	n := &notes{}
	d := NewDeclared(cluster.Rollout{Spec: spec("v1", "v2"), Notes: n})
	is := func(what, stable, canary string) {
		t.Helper()
		arms, err := Read(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{arms[0].Version, arms[1].Version}; got != [2]string{stable, canary} {
			t.Errorf("%s: %v, want %s and %s", what, got, stable, canary)
		}
		h, err := d.Observe(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		for role, arm := range arms {
			if x := h[rollout.Role(role)]; x.Ready != (arm.Hash != "") || x.Revision != arm.Hash || x.Message == "" || x.Failed {
				t.Errorf("%s: the health of %d is %+v", what, role, x)
			}
		}
	}
	apply := func(s rollout.Scale) {
		t.Helper()
		if err := d.Apply(t.Context(), at, s); err != nil {
			t.Fatal(err)
		}
	}
	is("before anything", "", "")
	for range 2 {
		if waiting, err := d.Prepare(t.Context(), at); waiting != "" || err != nil {
			t.Fatalf("%q, %v", waiting, err)
		}
	}
	is("prepared", "v1", "")
	v2 := ArmsOf(spec("v1", "v2"))[traffic.Canary].Hash
	apply(rollout.Scale{Stable: true, Canary: true, Revision: v2})
	if !d.Moved() {
		t.Error("nobody would look again")
	}
	is("begun", "v1", "v2")
	if d.Moved() {
		t.Error("it moves all the time")
	}
	d.Declare(spec("v2", "v3"))
	if s, c, _ := d.Revisions(t.Context(), at); s.Version != "v2" || c.Version != "v3" {
		t.Errorf("revisions %s and %s", s, c)
	}
	is("edited", "v1", "v2")
	apply(rollout.Scale{Canary: true, Revision: v2, Promoted: true})
	is("while the promoted one serves", "v1", "v2")
	d = NewDeclared(cluster.Rollout{Spec: spec("v2", "v3"), Notes: n}) // another controller
	apply(rollout.Scale{Stable: true, Canary: true, Revision: v2, Promoted: true})
	is("while stable takes over", "v2", "v2")
	apply(rollout.Scale{Stable: true})
	is("at rest", "v2", "v2")
	apply(rollout.Scale{Stable: true, Canary: true, Revision: "of nobody"})
	is("edited away", "v2", "v2")
	writes := n.writes
	for range 3 {
		apply(rollout.Scale{Stable: true, Canary: true, Revision: ArmsOf(spec("v2", "v3"))[traffic.Canary].Hash})
	}
	is("the next", "v2", "v3")
	if n.writes != writes+1 {
		t.Errorf("%d writes", n.writes-writes)
	}
	if waiting, err := d.Restore(t.Context(), at); waiting != "" || err != nil {
		t.Errorf("%q, %v", waiting, err)
	}
	if err := d.Release(t.Context(), at); err != nil {
		t.Error(err)
	}
	is("released", "", "")
}

func TestNotesThatCannotBeRead(t *testing.T) {
	n := &notes{broken: errors.New("the API server is away")}
	d := NewDeclared(cluster.Rollout{Spec: spec("v1", "v2"), Notes: n})
	_, prepare := d.Prepare(t.Context(), at)
	_, observe := d.Observe(t.Context(), at)
	got := map[string]error{"prepare": prepare, "observe": observe, "apply": d.Apply(t.Context(), at, rollout.Scale{Stable: true}), "release": d.Release(t.Context(), at)}
	for what, err := range got {
		if !errors.Is(err, n.broken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	n.broken, n.kept = nil, map[string]string{noteArms: "{"}
	if arms, err := Read(t.Context(), n); err == nil {
		t.Errorf("half a note is %s", cmp.Diff([traffic.NumArms]Arm{}, arms))
	}
}
