package kube

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

const (
	// byRollout indexes RolloutCommands by the rollout they are for.
	byRollout = "spec.rollout"
	// commandsKept is how long answered commands stay to be read.
	commandsKept = 24 * time.Hour
	// pausedByFile is who holds a rollout whose spec says paused.
	pausedByFile = "spec.paused"
)

// commands returns those that wait for an answer, the oldest first, and
// removes those answered long ago.
func (c *Controller) commands(ctx context.Context, about types.NamespacedName) ([]v1alpha1.RolloutCommand, error) {
	var all v1alpha1.RolloutCommandList
	err := c.cfg.Client.List(ctx, &all, client.InNamespace(about.Namespace), client.MatchingFields{byRollout: about.Name})
	if err != nil {
		return nil, fmt.Errorf("list the commands for %s: %w", about, err)
	}
	var waiting []v1alpha1.RolloutCommand
	for i := range all.Items {
		x := &all.Items[i]
		switch {
		case x.Status.Outcome == "":
			waiting = append(waiting, *x)
		case x.Status.AnsweredAt != nil && c.cfg.Wall().Sub(x.Status.AnsweredAt.Time) > commandsKept:
			if err := c.cfg.Client.Delete(ctx, x); client.IgnoreNotFound(err) != nil {
				return nil, fmt.Errorf("remove command %s, which was answered long ago: %w", x.Name, err)
			}
		}
	}
	slices.SortFunc(waiting, func(a, b v1alpha1.RolloutCommand) int {
		if d := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); d != 0 {
			return d
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return waiting, nil
}

// command is x as the core knows it. Its UID makes it exactly-once.
func command(x v1alpha1.RolloutCommand) rollout.Command {
	out := rollout.Command{
		ID: string(x.UID), Verb: rollout.Verb(x.Spec.Verb), Full: x.Spec.Full, Revision: x.Spec.Revision,
		By: x.Spec.RequestedBy, Reason: x.Spec.Reason, At: x.CreationTimestamp.UTC(),
	}
	if x.Spec.Step != nil {
		step := int(*x.Spec.Step)
		out.Step = &step
	}
	return out
}

// byFile is the commands that make a rollout agree with its file, if it does
// not. A person's pause and the file's are each enough. overdue says why the file
// wants it taken back, "" if it does not.
func byFile(m *v1alpha1.ModelRollout, s rollout.State, overdue string) []rollout.Command {
	// One of its own for each pause, so that it is obeyed once in each.
	at := rollout.Command{ID: fmt.Sprintf("%s/%d/%d", m.UID, m.Generation, s.PhaseBegan.UnixNano()), By: pausedByFile, At: s.LastSeen}
	held := s.Phase == rollout.Paused && s.HeldBy != ""
	under := s.Phase == rollout.Progressing || s.Phase == rollout.Paused
	switch {
	case under && overdue != "":
		at.Verb, at.By, at.Reason = rollout.Abort, byOutage, overdue
	case m.Spec.Paused && under && !held && !s.Deadline:
		at.Verb, at.Reason = rollout.Hold, "spec.paused is true"
	case !m.Spec.Paused && held && s.HeldBy == pausedByFile:
		at.Verb, at.Reason = rollout.Resume, "spec.paused is no longer true"
	default:
		return nil
	}
	at.ID += "/" + string(at.Verb)
	return []rollout.Command{at}
}

// answer writes what became of the commands. One that is not known to have
// been obeyed stays, and comes again.
func (c *Controller) answer(ctx context.Context, waiting []v1alpha1.RolloutCommand, answers []engine.Answer) error {
	for i := range waiting {
		if answers[i].Err != nil {
			continue
		}
		outcome := v1alpha1.CommandRejected
		if answers[i].Reply.Accepted {
			outcome = v1alpha1.CommandAccepted
		}
		if err := c.conclude(ctx, &waiting[i], outcome, answers[i].Reply.Message); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) conclude(ctx context.Context, x *v1alpha1.RolloutCommand, outcome, message string) error {
	next := x.DeepCopy()
	now := metav1.NewTime(c.cfg.Wall())
	next.Status = v1alpha1.RolloutCommandStatus{Outcome: outcome, Message: message, AnsweredAt: &now}
	err := c.cfg.Client.Status().Patch(ctx, next, client.MergeFrom(x), client.FieldOwner(cluster.FieldManager))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("answer command %s: %w", x.Name, err)
	}
	return nil
}

// nobody rejects the commands for a rollout that does not exist.
func (c *Controller) nobody(ctx context.Context, about types.NamespacedName) error {
	waiting, err := c.commands(ctx, about)
	for i := range waiting {
		if err == nil {
			err = c.conclude(ctx, &waiting[i], v1alpha1.CommandRejected,
				fmt.Sprintf("There is no ModelRollout %s in namespace %s", about.Name, about.Namespace))
		}
	}
	return err
}
