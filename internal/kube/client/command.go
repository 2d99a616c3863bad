package client

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// answerEvery is how often an answer is looked for.
const answerEvery = 250 * time.Millisecond

// Submit creates a RolloutCommand and waits for its answer. It is for the
// revision that is on its way now, and one that ends a pause for the present
// step: what has changed by the time it is read is not what was meant.
func (c *Client) Submit(ctx context.Context, name string, order rollout.Command) (rollout.Reply, error) {
	m, err := c.read(ctx, name)
	if err != nil {
		return rollout.Reply{}, err
	}
	var me authenticationv1.SelfSubjectReview
	if err := c.cfg.Client.Create(ctx, &me); err != nil {
		return rollout.Reply{}, c.explain(err, "ask the cluster who gives this command")
	}
	x := &v1alpha1.RolloutCommand{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, GenerateName: fmt.Sprintf("%.200s-%s-", name, order.Verb)},
		Spec: v1alpha1.RolloutCommandSpec{
			Rollout: name, Verb: string(order.Verb), Full: order.Full, Revision: m.Status.Canary.Hash,
			RequestedBy: me.Status.UserInfo.Username, Reason: order.Reason,
		},
	}
	if order.Revision != "" {
		x.Spec.Revision = order.Revision
	}
	if step := m.Status.StepIndex; order.Verb == rollout.Promote && !order.Full && m.Status.Step != "" {
		x.Spec.Step = &step
	}
	if err := c.cfg.Client.Create(ctx, x); err != nil {
		return rollout.Reply{}, c.explain(err, "create the command")
	}
	return c.answer(ctx, x)
}

// answer waits until x is answered.
func (c *Client) answer(ctx context.Context, x *v1alpha1.RolloutCommand) (rollout.Reply, error) {
	var last error
	err := wait.PollUntilContextTimeout(ctx, answerEvery, c.cfg.Patience, true, func(ctx context.Context) (bool, error) {
		var now v1alpha1.RolloutCommand
		if last = c.cfg.Client.Get(ctx, client.ObjectKeyFromObject(x), &now); last != nil {
			return false, nil // it may be back in a moment
		}
		x.Status = now.Status
		return x.Status.Outcome != "", nil
	})
	switch {
	case err == nil:
		return rollout.Reply{ID: string(x.UID), Accepted: x.Status.Outcome == v1alpha1.CommandAccepted, Message: x.Status.Message}, nil
	case last != nil && ctx.Err() == nil:
		return rollout.Reply{}, fmt.Errorf("the command %s was created, and what became of it cannot be read: %w", x.Name, last)
	}
	return rollout.Reply{}, fmt.Errorf("the command %s was created, and not answered yet: it stays and may be obeyed later. "+
		"Is the controller running? kubectl -n %s get rolloutcommand %s tells what became of it (%w)", x.Name, x.Namespace, x.Name, err)
}
