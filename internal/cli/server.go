package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/web/client"
)

// remote is what every command that asks a running rollout shares.
type remote struct {
	server, token, output string
}

func (r *remote) client() (*client.Client, error) {
	c, err := client.New(r.server, r.token)
	return c, usage(err)
}

// name returns the rollout that is meant: the one named, or the only one.
func (r *remote) name(ctx context.Context, c *client.Client, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	all, err := c.List(ctx)
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", usage(fmt.Errorf("there are %d rollouts: name one", len(all)))
	}
	return all[0].Name, nil
}

func addServerCommands(root *cobra.Command) {
	r := &remote{}
	add := func(use, short string, do func(*cobra.Command, *client.Client, string) error) *cobra.Command {
		cmd := &cobra.Command{
			Use: use + " [NAME]", Short: short,
			Args: func(c *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(c, args)) },
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := r.client()
				if err != nil {
					return err
				}
				name, err := r.name(cmd.Context(), c, args)
				if err != nil {
					return err
				}
				return do(cmd, c, name)
			},
		}
		f := cmd.Flags()
		f.StringVar(&r.server, "server", os.Getenv("HALDANE_SERVER"), "address of a running haldane (HALDANE_SERVER; default "+client.DefaultURL+")")
		f.StringVar(&r.token, "token", os.Getenv("HALDANE_TOKEN"), "its token (HALDANE_TOKEN)")
		f.StringVarP(&r.output, "output", "o", "", "json prints JSON")
		root.AddCommand(cmd)
		return cmd
	}
	add("get", "List rollouts", r.get)
	add("status", "Show one rollout and its evidence", r.status)
	add("watch", "Follow a rollout until it ends", r.watch)
	add("history", "Show what happened", r.history)
	for verb, short := range map[rollout.Verb]string{
		rollout.Promote: "End the current pause, or with --full skip every remaining gate",
		rollout.Hold:    "Hold the current weight",
		rollout.Resume:  "End a pause that a person began",
		rollout.Abort:   "Roll back now",
		rollout.Retry:   "Run a rolled-back revision again",
	} {
		order := rollout.Command{Verb: verb, By: "haldane " + string(verb)}
		cmd := add(string(verb), short, func(cmd *cobra.Command, c *client.Client, name string) error {
			return r.submit(cmd, c, name, order)
		})
		cmd.Flags().StringVar(&order.Reason, "reason", "", "why, for the event log")
		if verb == rollout.Promote {
			cmd.Flags().BoolVar(&order.Full, "full", false, "skip every remaining gate")
		}
		run := cmd.RunE
		cmd.RunE = func(c *cobra.Command, args []string) error { return run(c, args) }
	}
}

func (r *remote) submit(cmd *cobra.Command, c *client.Client, name string, order rollout.Command) error {
	order.Reason, _ = cmd.Flags().GetString("reason")
	if order.Verb == rollout.Promote {
		order.Full, _ = cmd.Flags().GetBool("full")
	}
	reply, err := c.Submit(cmd.Context(), name, order)
	if err != nil {
		return err
	}
	if r.output == "json" {
		if err := writeJSON(cmd.OutOrStdout(), reply); err != nil {
			return err
		}
	}
	if !reply.Accepted {
		return errors.New(reply.Message)
	}
	if r.output != "json" {
		fmt.Fprintln(cmd.OutOrStdout(), reply.Message)
	}
	return nil
}

func (r *remote) get(cmd *cobra.Command, c *client.Client, _ string) error {
	all, err := c.List(cmd.Context())
	if err != nil {
		return err
	}
	if r.output == "json" {
		return writeJSON(cmd.OutOrStdout(), all)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPHASE\tSTEP\tWEIGHT\tVERDICT\tSTABLE\tCANARY")
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%d/%d\t%s\t%s\t%s\t%s\n", s.Name, s.Phase, s.Step+1, len(s.Steps), s.Observed.Canary,
			s.Verdict.Decision, s.Stable.Version, s.Canary.Version)
	}
	return w.Flush()
}

func (r *remote) status(cmd *cobra.Command, c *client.Client, name string) error {
	s, err := c.Status(cmd.Context(), name)
	if err != nil {
		return err
	}
	if r.output == "json" {
		return writeJSON(cmd.OutOrStdout(), s)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s: %s → %s, %s, step %d of %d\n", s.Name, s.Stable.Version, s.Canary.Version, s.Phase, s.Step+1, len(s.Steps))
	fmt.Fprintf(out, "traffic to %s: %s wanted, %s observed\n", s.Canary.Version, s.Wanted.Canary, s.Observed.Canary)
	for _, text := range append([]string{s.Reason, s.Waiting}, s.Warnings...) {
		if text != "" {
			fmt.Fprintln(out, text)
		}
	}
	for _, m := range s.Verdict.Metrics {
		fmt.Fprintf(out, "  %-12s %-12s %s\n", m.Name, m.Decision, m.Reason)
	}
	return nil
}

func (r *remote) history(cmd *cobra.Command, c *client.Client, name string) error {
	events, err := c.Events(cmd.Context(), name, 1000)
	if err != nil {
		return err
	}
	if r.output == "json" {
		return writeJSON(cmd.OutOrStdout(), events)
	}
	for _, e := range events {
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %-8s %-11s %s\n", e.At.Local().Format("2006-01-02 15:04:05"), e.Revision, e.Kind, e.Message)
	}
	return nil
}

// watch follows the stream and ends, with run's exit codes, when the rollout does.
func (r *remote) watch(cmd *cobra.Command, c *client.Client, name string) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	p := newProgress(cmd.OutOrStdout())
	var last *engine.Outcome
	err := c.Stream(ctx, name, client.StreamOptions{}, func(u web.Update) error {
		if r.output == "json" {
			if err := writeJSON(cmd.OutOrStdout(), u); err != nil {
				return err
			}
		} else {
			p.update(u)
		}
		if s := u.Status; s != nil && (s.Phase.Terminal() || heldAtDeadline(s)) {
			last = &engine.Outcome{Phase: s.Phase, Held: !s.Phase.Terminal()}
			stop()
		}
		return nil
	})
	p.end()
	if last != nil {
		return ended(*last)
	}
	return err
}

func heldAtDeadline(s *engine.Status) bool {
	return s.Phase == rollout.Paused && strings.Contains(s.Reason, "deadline")
}
