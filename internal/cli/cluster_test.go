package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
	"github.com/haldane-dev/haldane/internal/web/client"
)

// onCluster is a cluster with one rollout, churn, which is promoted once it is
// followed.
type onCluster struct {
	options ClusterOptions
	orders  []rollout.Command
}

func (c *onCluster) status() engine.Status {
	r := rollout.Revision{Version: "v1", Hash: "aaaa"}
	return engine.Status{Name: "churn", Mode: "kubernetes", Phase: rollout.Idle, Stable: r, Canary: r, Observed: traffic.Observed{Level: traffic.Accepted}}
}

func (c *onCluster) List(context.Context) ([]engine.Status, error) {
	return []engine.Status{c.status()}, nil
}

func (c *onCluster) Status(_ context.Context, name string) (engine.Status, error) {
	if name != "churn" {
		return engine.Status{}, errors.New("there is no ModelRollout " + name)
	}
	return c.status(), nil
}

func (c *onCluster) Events(context.Context, string, int) ([]rollout.Event, error) {
	return []rollout.Event{{Kind: rollout.EventPromoted, Revision: "v1", Message: "it serves"}}, nil
}

func (c *onCluster) Blocks(context.Context, string, int) ([]engine.Block, error) { return nil, nil }

func (c *onCluster) Submit(_ context.Context, _ string, order rollout.Command) (rollout.Reply, error) {
	c.orders = append(c.orders, order)
	return rollout.Reply{Accepted: order.Verb != rollout.Retry, Message: "said " + string(order.Verb)}, nil
}

func (c *onCluster) Stream(_ context.Context, _ string, _ client.StreamOptions, each func(engine.Update) error) error {
	s := c.status()
	for _, s.Phase = range []rollout.Phase{rollout.Progressing, rollout.RolledBack} {
		if err := each(engine.Update{Status: &s}); err != nil {
			return err
		}
	}
	return nil
}

// ask runs one command line beside that cluster.
func (c *onCluster) ask(t *testing.T, plugin bool, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(t.Context(), args, &stdout, &stderr, Program{Plugin: plugin, Cluster: func(o ClusterOptions) (Rollouts, error) {
		c.options = o
		if o.Context == "wrong" {
			return nil, errors.New(`context "wrong" does not exist`)
		}
		return c, nil
	}})
	return code, stdout.String(), stderr.String()
}

func TestWhichCommandsAreAboutACluster(t *testing.T) {
	for _, tc := range []struct {
		plugin bool
		args   []string
		want   ClusterOptions
		no     bool // a running haldane is asked instead
	}{
		{args: []string{"get", "--kube"}},
		{args: []string{"get", "-n", "shop"}, want: ClusterOptions{Namespace: "shop"}},
		{args: []string{"get", "-A"}, want: ClusterOptions{AllNamespaces: true}},
		{args: []string{"status", "churn", "--context", "c", "--kubeconfig", "f"}, want: ClusterOptions{Context: "c", Kubeconfig: "f"}},
		{plugin: true, args: []string{"get"}},
		{plugin: true, args: []string{"status", "-n", "shop"}, want: ClusterOptions{Namespace: "shop"}},
		{plugin: true, args: []string{"get", "--server", "http://127.0.0.1:1"}, no: true},
	} {
		c := &onCluster{options: ClusterOptions{Context: "not asked"}}
		code, out, errOut := c.ask(t, tc.plugin, tc.args...)
		if tc.no {
			if code != exitFailed || c.options.Context != "not asked" {
				t.Errorf("%v: code %d, and the cluster got %+v", tc.args, code, c.options)
			}
			continue
		}
		if d := cmp.Diff(tc.want, c.options); d != "" || code != exitOK || !strings.Contains(out, "churn") {
			t.Errorf("%v: code %d, %q, %q\n%s", tc.args, code, out, errOut, d)
		}
	}
}

func TestCommandsOfACluster(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"status"}, 0, "churn: v1 serves, and there is no candidate"},
		{[]string{"status", "other"}, 1, "there is no ModelRollout other"},
		{[]string{"history"}, 0, "it serves"},
		{[]string{"watch"}, exitRolledBack, ""},
		{[]string{"wait", "--for", "RolledBack"}, exitRolledBack, ""},
		{[]string{"report"}, 0, "churn"},
		{[]string{"promote", "--full", "--reason", "asked for"}, 0, "said promote"},
		{[]string{"retry", "churn"}, 1, "said retry"},
		{[]string{"get", "--context", "wrong"}, 1, `context "wrong" does not exist`},
	} {
		code, out, errOut := new(onCluster).ask(t, true, tc.args...)
		if code != tc.code || !strings.Contains(out+errOut, tc.says) {
			t.Errorf("%v: code %d, want %d; %q, %q", tc.args, code, tc.code, out, errOut)
		}
	}
	c := &onCluster{}
	c.ask(t, true, "promote", "--full", "--reason", "asked for")
	if o := c.orders[0]; o.Verb != rollout.Promote || !o.Full || o.Reason != "asked for" {
		t.Errorf("the order was %+v", o)
	}
}

func TestHelpOfThePlugin(t *testing.T) {
	if _, out, _ := new(onCluster).ask(t, true, "status", "--help"); !strings.Contains(out, "kubectl haldane status [NAME]") {
		t.Errorf("help: %s", out)
	}
	if _, out, _ := new(onCluster).ask(t, false, "status", "--help"); strings.Contains(out, "kubectl haldane status") {
		t.Errorf("help of haldane itself: %s", out)
	}
}
