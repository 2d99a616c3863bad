package examples

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/examples/churn"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web/client"
)

// TestWhoGoesWhere looks at single users while the rollout waits for a person, at
// two weights.
func TestWhoGoesWhere(t *testing.T) {
	t.Parallel()
	m := load(t, "sticky-cohorts", "good")
	low, high, full := v1alpha1.Weight(10), v1alpha1.Weight(50), v1alpha1.Weight(100)
	m.Spec.Strategy.Canary.Steps = []v1alpha1.Step{
		{Weight: &low, Margin: 4}, {Pause: &v1alpha1.Pause{}}, {Weight: &high, Margin: 4}, {Pause: &v1alpha1.Pause{}}, {Weight: &full},
	}
	out, s := play(t, "sticky-cohorts", m, func(ctx context.Context, a cli.Addresses) {
		v := newVisitors(t, a)
		v.waitPaused(ctx, 1)
		v.forced(ctx)
		before := v.survey(ctx)
		v.promote(ctx)
		v.waitPaused(ctx, 3)
		v.forced(ctx)
		after := v.survey(ctx)
		v.promote(ctx)
		share(t, before, 10)
		share(t, after, 50)
		for user, version := range before {
			if version == "good" && after[user] != "good" {
				t.Errorf("%s was moved back to %s as the weight rose", user, after[user])
			}
		}
	})
	if out.Phase != rollout.Promoted {
		t.Errorf("ended %+v, want Promoted; the last verdict: %s", out, s.reasons())
	}
	for _, arm := range []string{"stable", "canary"} {
		if s.status.Totals[arm].Forced == 0 {
			t.Errorf("no request was counted as forced to %s", arm)
		}
	}
}

// share checks that about as many users as the weight says got the candidate:
// within five standard deviations of a fair draw.
func share(t *testing.T, arms map[string]string, percent int) {
	t.Helper()
	n, good := len(arms), 0
	for _, version := range arms {
		if version == "good" {
			good++
		}
	}
	off, variance := 100*good-percent*n, percent*(100-percent)*n
	if n == 0 || off*off > 25*variance {
		t.Errorf("%d of %d users got the candidate at a weight of %d%%", good, n, percent)
	}
}

// visitors are users other than those of the example's own clients, and the
// person who watches.
type visitors struct {
	t         *testing.T
	base      string
	api       *client.Client
	http      *http.Client
	customers []churn.Customer
}

func newVisitors(t *testing.T, a cli.Addresses) *visitors {
	api, err := client.New(a.Dashboard, "")
	if err != nil {
		t.Error(err)
	}
	customers, err := churn.HeldOut()
	if err != nil {
		t.Error(err)
	}
	return &visitors{t, a.Gateway, api, &http.Client{Timeout: patience}, customers}
}

// waitPaused returns once the rollout waits at a step.
func (v *visitors) waitPaused(ctx context.Context, step int) {
	var s engine.Status
	for ctx.Err() == nil {
		var err error
		if s, err = v.api.Status(ctx, "sticky-cohorts"); err == nil && s.Phase == rollout.Paused && s.Step == step {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	v.t.Errorf("it did not pause at step %d: %s at step %d, %s", step, s.Phase, s.Step, s.Waiting)
}

func (v *visitors) promote(ctx context.Context) {
	reply, err := v.api.Submit(ctx, "sticky-cohorts", rollout.Command{Verb: rollout.Promote})
	if err != nil || !reply.Accepted {
		v.t.Errorf("promote: %+v, %v", reply, err)
	}
}

// ask returns the version that answers a user.
func (v *visitors) ask(ctx context.Context, user string, n int, header ...string) string {
	body := v.customers[n%len(v.customers)].RequestBody()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+"/v2/models/churn/infer", bytes.NewReader(body))
	if err != nil {
		v.t.Error(err)
		return ""
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-User-ID", user)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := v.http.Do(r)
	if err != nil {
		v.t.Errorf("%s: %v", user, err)
		return ""
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		v.t.Errorf("%s: %s, %v", user, resp.Status, err)
	}
	return resp.Header.Get("X-Haldane-Version")
}

// forced asks as those whom a match sends to one arm, whoever they are.
func (v *visitors) forced(ctx context.Context) {
	for i := range 20 {
		user := fmt.Sprintf("somebody-%d", i)
		for _, c := range []struct {
			user, want string
			header     []string
		}{
			{user, "good", []string{"X-Canary", "true"}},
			{user, "good", []string{"Cookie", "a=b; canary=always"}},
			{user, "good", []string{"X-Country", "NL"}},
			{user, "good", []string{"X-Country", "se"}},
			{"customer-0012", "good", nil}, // of beta-users.txt
			{user, "v1", []string{"X-No-Experiments", "1"}},
			{"customer-0012", "v1", []string{"X-No-Experiments", "1", "X-Canary", "true"}},
		} {
			if got := v.ask(ctx, c.user, i, c.header...); got != c.want {
				v.t.Errorf("%s with %q was answered by %s, want %s", c.user, c.header, got, c.want)
			}
		}
	}
}

// survey asks as many users, more than once, and returns who answered each.
func (v *visitors) survey(ctx context.Context) map[string]string {
	arms := map[string]string{}
	for i := range 300 {
		user := fmt.Sprintf("visitor-%d", i)
		arms[user] = v.ask(ctx, user, i)
		if again := v.ask(ctx, user, i+1); again != arms[user] {
			v.t.Errorf("%s was answered by %s, then by %s", user, arms[user], again)
		}
	}
	return arms
}
