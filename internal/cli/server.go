package cli

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/web/client"
)

// remote is what every command that asks a running rollout shares.
type remote struct {
	server, token string
	output        format
}

// command adds one command that asks; each has flags of its own.
func (r *remote) command(use, short, group, json string, do func(*cobra.Command, *client.Client, []string) error) *cobra.Command {
	cmd := r.asking(use, short, group, do)
	r.output.flag(cmd, json)
	return cmd
}

// asking is command without -o.
func (r *remote) asking(use, short, group string, do func(*cobra.Command, *client.Client, []string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " [NAME]", Short: short, GroupID: group, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := client.New(orEnv(r.server, serverVariable), orEnv(r.token, tokenVariable))
			if err != nil {
				return Usage(err)
			}
			return do(cmd, c, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.server, "server", "", "address of the running haldane (default $HALDANE_SERVER or "+client.DefaultURL+")")
	f.StringVar(&r.token, "token", "", "its token, where it wants one (default $HALDANE_TOKEN)")
	return cmd
}

// errNone is what name says where nothing is rolled out.
var errNone = errors.New("there is no rollout yet")

// name returns the rollout that is meant: the one named, or the only one.
func name(ctx context.Context, c *client.Client, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	all, err := c.List(ctx)
	if err != nil {
		return "", err
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.Name
	}
	switch len(all) {
	case 0:
		return "", errNone
	case 1:
		return names[0], nil
	}
	return "", Usage(fmt.Errorf("there are %d rollouts: name one of %s", len(all), strings.Join(names, ", ")))
}

func addServerCommands(root *cobra.Command) {
	get := &remote{}
	root.AddCommand(get.command("get", "List rollouts", groupAsk, "their statuses as JSON", get.get))
	status := &remote{}
	root.AddCommand(status.command("status", "Show one rollout and its evidence", groupAsk, "the status as JSON", status.status))
	watch := &remote{}
	cmd := watch.command("watch", "Follow a rollout until it ends", groupAsk, "everything that happens as lines of JSON", watch.watch)
	cmd.Long = "Follows a rollout until it ends, and ends as `haldane run` does.\n" + exitCodes
	root.AddCommand(cmd)
	history := &remote{}
	root.AddCommand(history.command("history", "Show what happened", groupAsk, "the events as JSON", history.history))
	root.AddCommand(waitCommand(), reportCommand())
	for _, v := range []struct {
		verb  rollout.Verb
		short string
	}{
		{rollout.Promote, "End the current pause, or with --full skip every remaining gate"},
		{rollout.Hold, "Hold the current weight; a failure still takes it back"},
		{rollout.Resume, "End a pause that a person began"},
		{rollout.Abort, "Roll back now"},
		{rollout.Retry, "Run a rolled-back version again"},
	} {
		root.AddCommand(orderCommand(v.verb, v.short))
	}
}

// orderCommand is a verb that changes the rollout.
func orderCommand(verb rollout.Verb, short string) *cobra.Command {
	r := &remote{}
	order := rollout.Command{Verb: verb}
	cmd := r.command(string(verb), short, groupTell, "the reply as JSON", func(cmd *cobra.Command, c *client.Client, args []string) error {
		order.By = person()
		return r.submit(cmd, c, args, order)
	})
	cmd.Long = short + ".\nExit code 0: it is done; 1: it is not, and the reason is printed."
	cmd.Flags().StringVar(&order.Reason, "reason", "", "why, for the history")
	if verb == rollout.Promote {
		cmd.Flags().BoolVar(&order.Full, "full", false, "skip every remaining gate")
	}
	return cmd
}

// person is who gives an order, for the history.
func person() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "somebody at the command line"
}

func (r *remote) submit(cmd *cobra.Command, c *client.Client, args []string, order rollout.Command) error {
	id, err := name(cmd.Context(), c, args)
	if err != nil {
		return err
	}
	reply, err := c.Submit(cmd.Context(), id, order)
	if err != nil {
		return err
	}
	if err := printed(cmd, r.output, reply); err != nil {
		return err
	}
	if !reply.Accepted {
		return errors.New(reply.Message)
	}
	if r.output == text {
		fmt.Fprintln(cmd.OutOrStdout(), reply.Message)
	}
	return nil
}

func (r *remote) get(cmd *cobra.Command, c *client.Client, args []string) error {
	var all []engine.Status
	var err error
	if len(args) > 0 {
		var one engine.Status
		one, err = c.Status(cmd.Context(), args[0])
		all = append(all, one)
	} else {
		all, err = c.List(cmd.Context())
	}
	if err != nil {
		return err
	}
	if r.output == jsons {
		return writeJSON(cmd.OutOrStdout(), append([]engine.Status{}, all...)) // none is [], not null
	}
	return writeList(cmd.OutOrStdout(), all)
}

func (r *remote) status(cmd *cobra.Command, c *client.Client, args []string) error {
	id, err := name(cmd.Context(), c, args)
	if err != nil {
		return err
	}
	s, err := c.Status(cmd.Context(), id)
	if err != nil {
		return err
	}
	if r.output == jsons {
		return writeJSON(cmd.OutOrStdout(), s)
	}
	return writeStatus(cmd.OutOrStdout(), &s)
}

func (r *remote) history(cmd *cobra.Command, c *client.Client, args []string) error {
	id, err := name(cmd.Context(), c, args)
	if err != nil {
		return err
	}
	events, err := c.Events(cmd.Context(), id, 1000)
	if err != nil {
		return err
	}
	if r.output == jsons {
		return writeJSON(cmd.OutOrStdout(), append([]rollout.Event{}, events...))
	}
	return writeHistory(cmd.OutOrStdout(), events)
}
