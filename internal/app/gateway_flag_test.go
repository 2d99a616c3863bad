package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/gateway/ofrep"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// flagSettings are those that the controller gives the gateways of a flag.
func flagSettings(t *testing.T) string {
	t.Helper()
	m := v1alpha1.ModelRollout{ObjectMeta: metav1.ObjectMeta{Name: "churn", Namespace: "shop"}}
	m.Spec.Routing.Flag = &v1alpha1.Flag{Key: "churn"}
	m.Spec.Analysis.Metrics = []v1alpha1.Metric{{Name: "conversion", Mean: &v1alpha1.Mean{Of: "conversion", Event: "checkout"}}}
	m.DefaultCluster()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ask posts to a flag and returns the status and what was answered.
func (s *served) ask(t *testing.T, path, token, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, text.String()
}

// TestGatewaysAnswerAFlag: two replicas tell a user the same, by one table, and
// what users do is counted once, to whichever of them it is sent. Who has no token
// is told nothing.
func TestGatewaysAnswerAFlag(t *testing.T) {
	g := newGateways(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asFlag := func(o *cli.GatewayOptions) { o.Settings, o.Token = flagSettings(t), token }
	all := []*served{g.startAs(asFlag), g.startAs(asFlag)}
	digest := g.table(fleet.Document{
		Revision: "r1", Flag: true, Cohorts: map[string][]string{"beta": {"ann"}},
		Arms: [traffic.NumArms]fleet.Door{{Version: "v1"}, {Version: "v2", Value: json.RawMessage(`"large"`)}},
		Split: traffic.Split{Generation: 1, Canary: traffic.Full / 2, Salt: "churn", Open: true,
			Sticky: traffic.Sticky{Header: ofrep.TargetingKey}, Always: []traffic.Match{{Cohort: "beta"}}},
	})
	for _, s := range all {
		s.carries(t, digest)
		if err := s.peers.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const path = ofrep.Path + "/churn"
	if code, _ := all[0].ask(t, path, "", `{"context":{"targetingKey":"ann"}}`); code != http.StatusUnauthorized {
		t.Errorf("without a token: %d", code)
	}
	if code, _ := all[0].ask(t, "/events", "wrong", `{"name":"checkout","id":"a"}`); code != http.StatusUnauthorized {
		t.Errorf("with another token: %d", code)
	}
	if code, text := all[1].ask(t, path, "secret", `{"context":{"targetingKey":"ann"}}`); code != http.StatusOK || !strings.Contains(text, "TARGETING_MATCH") {
		t.Errorf("of a cohort: %d %s", code, text)
	}
	arms := map[string]int{}
	for i := range 40 {
		var told [2]struct {
			Value, Variant string
			Metadata       struct{ PredictionID string }
		}
		for k, s := range all {
			code, text := s.ask(t, path, "secret", fmt.Sprintf(`{"context":{"targetingKey":"user-%d"}}`, i))
			if err := json.Unmarshal([]byte(text), &told[k]); err != nil || code != http.StatusOK {
				t.Fatalf("%d %s", code, text)
			}
		}
		if want := map[string]string{"stable": "v1", "canary": "large"}[told[0].Variant]; told[0].Variant != told[1].Variant || told[0].Value != want {
			t.Errorf("told %+v", told)
		}
		arms[told[0].Variant]++
		event := fmt.Sprintf(`{"name":"checkout","id":%q}`, told[0].Metadata.PredictionID)
		for k, s := range all { // sent to both: counted once
			if code, text := s.ask(t, "/events", "secret", event); code != http.StatusAccepted || (k == 1) != strings.Contains(text, "duplicate") {
				t.Errorf("event to replica %d: %d %s", k, code, text)
			}
		}
	}
	if text := metricsOf(t, all[0]); !strings.Contains(text, `haldane_gateway_requests_total{arm="canary",assignment="random"`) {
		t.Errorf("evaluations are not counted:\n%s", text)
	}
	if arms["stable"] < 5 || arms["canary"] < 5 {
		t.Errorf("users %v", arms)
	}
}

// TestTokenFile: a Secret that people change is taken up without a restart; one
// that vanishes, or is empty, is no door for everybody.
func TestTokenFile(t *testing.T) {
	path, now := filepath.Join(t.TempDir(), "token"), time.Unix(0, 0)
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	if _, err := tokenFile(path, clock, log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(" \n")
	if _, err := tokenFile(path, clock, log); err == nil {
		t.Error("an empty one is taken")
	}
	write("first\n")
	token, err := tokenFile(path, clock, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		text  string
		after time.Duration
		want  string
	}{{"first\n", 0, "first"}, {"second\n", time.Second, "first"}, {"second\n", tokenEvery, "second"}, {"", tokenEvery, "second"}} {
		write(step.text)
		now = now.Add(step.after)
		if got := token(); got != step.want {
			t.Errorf("%q after %s: %q, want %q", step.text, step.after, got, step.want)
		}
	}
}
