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

// Rollouts is where the commands that ask and decide find rollouts: a running
// haldane, or a cluster. Its methods are safe for concurrent use.
type Rollouts interface {
	// List returns the status of every rollout.
	List(ctx context.Context) ([]engine.Status, error)
	// Status returns that of one.
	Status(ctx context.Context, name string) (engine.Status, error)
	// Events returns up to limit of the newest events, oldest first.
	Events(ctx context.Context, name string, limit int) ([]rollout.Event, error)
	// Blocks returns up to limit of the newest blocks, oldest first; none where
	// they are not kept.
	Blocks(ctx context.Context, name string, limit int) ([]engine.Block, error)
	// Submit hands a command over and returns what became of it. One that was
	// understood and not obeyed is a Reply with Accepted false, not an error.
	Submit(ctx context.Context, name string, command rollout.Command) (rollout.Reply, error)
	// Stream calls each with everything that happens to one rollout, beginning
	// with as much of the past as the options ask for and its status, until ctx
	// ends (its cause) or each returns an error (that error). A lost connection is
	// made again.
	Stream(ctx context.Context, name string, o client.StreamOptions, each func(engine.Update) error) error
}

// ClusterOptions say which cluster and namespace are meant.
type ClusterOptions struct {
	Kubeconfig    string // "" is $KUBECONFIG, or ~/.kube/config
	Context       string // of the kubeconfig; "" is its current one
	Namespace     string // "" is that of the context
	AllNamespaces bool   // for List alone
}

// remote is what every command that asks a running rollout shares.
type remote struct {
	program       Program
	server, token string
	cluster       ClusterOptions
	kube          bool
	output        format
}

// rollouts decides whom to ask: a cluster if a flag says so or the program was
// called as a plugin of kubectl, and otherwise a running haldane.
func (r *remote) rollouts() (Rollouts, error) {
	onCluster := r.kube || r.cluster != (ClusterOptions{})
	switch local := r.server != "" || r.token != ""; {
	case onCluster && local:
		return nil, Usage(errors.New("--server and --token are for a haldane that runs by itself, --kube, --namespace, --context and --kubeconfig for a cluster: keep one kind"))
	case onCluster, r.program.Plugin && !local:
		return r.program.Cluster(r.cluster)
	}
	c, err := client.New(orEnv(r.server, serverVariable), orEnv(r.token, tokenVariable))
	return c, Usage(err)
}

// command adds one command that asks; each has flags of its own.
func (r *remote) command(use, short, group, json string, do func(*cobra.Command, Rollouts, []string) error) *cobra.Command {
	cmd := r.asking(use, short, group, do)
	r.output.flag(cmd, json)
	return cmd
}

// asking is command without -o.
func (r *remote) asking(use, short, group string, do func(*cobra.Command, Rollouts, []string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " [NAME]", Short: short, GroupID: group, Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := r.rollouts()
			if err != nil {
				return err
			}
			return do(cmd, from, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.server, "server", "", "address of the running haldane (default $HALDANE_SERVER or "+client.DefaultURL+")")
	f.StringVar(&r.token, "token", "", "its token, where it wants one (default $HALDANE_TOKEN)")
	f.BoolVar(&r.kube, "kube", false, "ask the cluster of the current kubeconfig; implied by --context, --kubeconfig and --namespace, and by kubectl haldane")
	f.StringVarP(&r.cluster.Namespace, "namespace", "n", "", "the rollout's namespace on a cluster (default: the context's)")
	f.StringVar(&r.cluster.Context, "context", "", "the context of the kubeconfig to use")
	f.StringVar(&r.cluster.Kubeconfig, "kubeconfig", "", "the kubeconfig to use (default $KUBECONFIG or ~/.kube/config)")
	return cmd
}

// errNone is what name says where nothing is rolled out.
var errNone = errors.New("there is no rollout yet")

// name returns the rollout that is meant: the one named, or the only one.
func name(ctx context.Context, c Rollouts, args []string) (string, error) {
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

func addServerCommands(root *cobra.Command, p Program) {
	get := &remote{program: p}
	list := get.command("get", "List rollouts", groupAsk, "their statuses", get.get)
	list.Flags().BoolVarP(&get.cluster.AllNamespaces, "all-namespaces", "A", false, "of a cluster, those of every namespace")
	root.AddCommand(list)
	status := &remote{program: p}
	root.AddCommand(status.command("status", "Show one rollout and its evidence", groupAsk, "the status", status.status))
	watch := &remote{program: p}
	cmd := watch.command("watch", "Follow a rollout until it ends", groupAsk, "everything that happens as lines of JSON", watch.watch)
	cmd.Long = "Follows a rollout until it ends, and ends as `haldane run` does.\n" + exitCodes
	root.AddCommand(cmd)
	history := &remote{program: p}
	root.AddCommand(history.command("history", "Show what happened", groupAsk, "the events", history.history))
	root.AddCommand(waitCommand(p), reportCommand(p))
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
		root.AddCommand(orderCommand(p, v.verb, v.short))
	}
}

// orderCommand is a verb that changes the rollout.
func orderCommand(p Program, verb rollout.Verb, short string) *cobra.Command {
	r := &remote{program: p}
	order := rollout.Command{Verb: verb}
	w, wait := &waiting{goal: anyEnd}, false
	cmd := r.command(string(verb), short, groupTell, "the reply", func(cmd *cobra.Command, c Rollouts, args []string) error {
		order.By = person()
		if cmd.Flags().Changed("timeout") && !wait {
			return Usage(errors.New("--timeout is how long --wait waits: add --wait, or leave it out"))
		}
		if wait {
			w.remote = *r
			w.first = func(id string) error { return r.submit(cmd, c, []string{id}, order) }
			return w.wait(cmd, c, args)
		}
		return r.submit(cmd, c, args, order)
	})
	cmd.Long = short + ".\nExit code 0: it is done; 1: it is not, and the reason is printed. With --wait, how the\nrollout ended, as `haldane wait` tells it."
	cmd.Flags().BoolVar(&wait, "wait", false, "then wait for the rollout's end")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, "with --wait: give up after this time (default: never)")
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

func (r *remote) submit(cmd *cobra.Command, c Rollouts, args []string, order rollout.Command) error {
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

func (r *remote) get(cmd *cobra.Command, c Rollouts, args []string) error {
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

func (r *remote) status(cmd *cobra.Command, c Rollouts, args []string) error {
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

func (r *remote) history(cmd *cobra.Command, c Rollouts, args []string) error {
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
