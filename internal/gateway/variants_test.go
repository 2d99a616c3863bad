package gateway

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// experimentTable sends forty slots to v3, the rest to stable, and who asks for it
// to v3 whatever the slot.
func experimentTable(url string) Table {
	up := func(version string) Upstream { return Upstream{URL: url, Version: version} }
	return Table{
		Split: traffic.Split{
			Generation: 1, Open: true, Slots: strings.Repeat("2", 40) + strings.Repeat("0", 60),
			Variants: []traffic.Variant{{Name: "large", Always: []traffic.Match{{Header: &traffic.Field{Name: "x-arm", Exact: "large"}}}}},
		},
		Upstreams: [traffic.NumArms]Upstream{up("v1"), up("v2")}, Variants: []Upstream{up("v3")},
		Rollout: "ab", Revision: "r",
	}
}

// TestVariantsAreServed: a variant has its version, is told its name, and is counted
// as the arm that it is.
func TestVariantsAreServed(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get(HeaderArm)+" "+r.Header.Get(HeaderVersion))
	}))
	defer s.Close()
	recorder := telemetry.New(telemetry.Options{Arms: 3})
	g, err := New(Config{Recorder: recorder, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.SetTable(experimentTable(s.URL)); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(g.Handler())
	defer front.Close()
	ask := func(arm string) string {
		req, err := http.NewRequest(http.MethodGet, front.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if arm != "" {
			req.Header.Set("X-Arm", arm)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if want := strings.Fields(string(body))[1]; resp.Header.Get(HeaderVersion) != want {
			t.Errorf("the client is told %q, the model %q", resp.Header.Get(HeaderVersion), want)
		}
		return string(body)
	}
	if got := ask("large"); got != "large v3" {
		t.Errorf("who asks for large gets %q", got)
	}
	seen := map[string]int{}
	for range 200 {
		seen[ask("")]++
	}
	if len(seen) != 2 || seen["stable v1"] == 0 || seen["large v3"] == 0 {
		t.Errorf("random requests went to %v", seen)
	}
	if o := g.Observed(); o.Level != traffic.Flowing || len(o.Slots) != traffic.NumSlots {
		t.Errorf("observed %+v", o)
	}
	arms := recorder.Snapshot().Arms
	if n := arms[2].Requests; n != int64(seen["large v3"]) || arms[2].Forced != 1 || arms[traffic.Canary].Requests != 0 {
		t.Errorf("%d requests and %d forced ones counted for large", n, arms[2].Forced)
	}
}

func TestVariantTablesAreChecked(t *testing.T) {
	g, err := New(Config{Recorder: telemetry.New(telemetry.Options{Arms: 3}), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*Table)
		want   string
	}{
		"no upstream":     {func(x *Table) { x.Variants = nil }, "2 arms are served and 3 are split between"},
		"a bad address":   {func(x *Table) { x.Variants[0].URL = "ftp://m" }, "large url"},
		"a bad name":      {func(x *Table) { x.Split.Variants[0].Name = "größe" }, "cannot be sent in a header"},
		"a country":       {func(x *Table) { x.Split.Variants[0].Always = []traffic.Match{{Country: []string{"NL"}}} }, "country file"},
		"slots of nobody": {func(x *Table) { x.Split.Slots = strings.Repeat("3", 100) }, "belongs to no arm"},
	} {
		x := experimentTable("http://127.0.0.1:1")
		tt.change(&x)
		if err := g.SetTable(x); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want one with %q", name, err, tt.want)
		}
	}
}
