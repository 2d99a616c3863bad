package fleet_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// arms is a document of three arms.
func arms(generation uint64, version string) fleet.Document {
	d := document(generation, traffic.Percent(30), "r1")
	d.Split.Slots = strings.Repeat("0", 40) + strings.Repeat("1", 30) + strings.Repeat("2", 30)
	d.Split.Variants = []traffic.Variant{{Name: "large"}}
	d.Variants = []fleet.Door{{URL: "http://churn-large", Version: version}}
	return d
}

func TestVariantsTravel(t *testing.T) {
	want := arms(3, "v3")
	got, err := fleet.Decode(encode(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	want.Variants = nil
	if _, err := fleet.Decode(encode(t, want)); err == nil || !strings.Contains(err.Error(), "0 of 1 variants") {
		t.Errorf("a variant that is served nowhere: %v", err)
	}
}

// TestVariantsAreCounted each by itself; another version of one is counted from
// zero.
func TestVariantsAreCounted(t *testing.T) {
	g, r, c, _ := open(t, telemetry.Options{Arms: 3}, all)
	if err := c.Take(encode(t, arms(1, "v3"))); err != nil {
		t.Fatal(err)
	}
	for range 400 {
		decide(g, "")()
	}
	s := r.Snapshot()
	for arm := range s.Arms {
		if s.Arms[arm].Requests < 60 {
			t.Errorf("arm %d has %d of 400 requests", arm, s.Arms[arm].Requests)
		}
	}
	if len(s.Assigned) != 1 || len(s.Assigned[0].Variants) != 1 || s.Assigned[0].Variants[0] != s.Arms[2].Requests {
		t.Errorf("assigned %+v, and large has %d requests", s.Assigned, s.Arms[2].Requests)
	}
	if err := c.Take(encode(t, arms(2, "v4"))); err != nil {
		t.Fatal(err)
	}
	if n := r.Snapshot().Arms[2].Requests; n != 0 || !r.Serving().Serves(arms(9, "v4")) || r.Serving().Serves(arms(9, "v3")) {
		t.Errorf("v4 begins with %d requests, under %+v", n, r.Serving().Variants)
	}
}

// TestMoreArmsThanAGatewayCounts: it goes on with what it carries, and says why.
func TestMoreArmsThanAGatewayCounts(t *testing.T) {
	_, _, c, _ := open(t, telemetry.Options{}, all)
	first := encode(t, document(1, 500, "r1"))
	if err := c.Take(first); err != nil {
		t.Fatal(err)
	}
	if err := c.Take(encode(t, arms(2, "v3"))); err == nil || !strings.Contains(err.Error(), "3 arms") {
		t.Errorf("%v", err)
	}
	if a := c.Ack(); a.Digest != fleet.Digest(first) || a.Why == "" {
		t.Errorf("%+v", a)
	}
}
