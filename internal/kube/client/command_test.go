package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// answering is a cluster whose controller answers each command when it is
// looked at for the second time, and keeps them all.
func answering(outcome string, got *v1alpha1.RolloutCommandSpec) interceptor.Funcs {
	looked := 0
	return interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		err := c.Get(ctx, k, o, opts...)
		if x, ok := o.(*v1alpha1.RolloutCommand); ok && err == nil {
			*got = x.Spec
			if looked++; looked > 1 {
				x.Status = v1alpha1.RolloutCommandStatus{Outcome: outcome, Message: "so be it"}
			}
		}
		return err
	}}
}

func TestACommandIsSignedAndMeansWhatCanBeSeen(t *testing.T) {
	step := int32(1)
	for _, tc := range []struct {
		order rollout.Command
		want  v1alpha1.RolloutCommandSpec
	}{
		{rollout.Command{Verb: rollout.Promote, By: "mallory"}, v1alpha1.RolloutCommandSpec{Verb: "promote", Revision: "bbbb", Step: &step}},
		{rollout.Command{Verb: rollout.Promote, Full: true}, v1alpha1.RolloutCommandSpec{Verb: "promote", Full: true, Revision: "bbbb"}},
		{rollout.Command{Verb: rollout.Abort, Reason: "it is wrong"}, v1alpha1.RolloutCommandSpec{Verb: "abort", Revision: "bbbb", Reason: "it is wrong"}},
		{rollout.Command{Verb: rollout.Retry, Revision: "cccc"}, v1alpha1.RolloutCommandSpec{Verb: "retry", Revision: "cccc"}},
	} {
		m, state := under(t)
		var got v1alpha1.RolloutCommandSpec
		reply, err := newWorld(t, answering(v1alpha1.CommandAccepted, &got), m, state).client("shop").Submit(t.Context(), "churn", tc.order)
		if err != nil || !reply.Accepted || reply.Message != "so be it" {
			t.Fatalf("%s: %+v, %v", tc.order.Verb, reply, err)
		}
		if got.Rollout != "churn" || got.RequestedBy != "alice" || got.Verb != tc.want.Verb || got.Full != tc.want.Full ||
			got.Revision != tc.want.Revision || got.Reason != tc.want.Reason || (got.Step == nil) != (tc.want.Step == nil) || got.Step != nil && *got.Step != step {
			t.Errorf("%s: the command says %+v", tc.order.Verb, got)
		}
	}
}

func TestARejectedCommandIsAReply(t *testing.T) {
	m, state := under(t)
	var got v1alpha1.RolloutCommandSpec
	reply, err := newWorld(t, answering(v1alpha1.CommandRejected, &got), m, state).client("shop").Submit(t.Context(), "churn", rollout.Command{Verb: rollout.Resume})
	if err != nil || reply.Accepted || reply.Message != "so be it" {
		t.Errorf("%+v, %v", reply, err)
	}
}

// TestACommandThatNobodyAnswers stays, and the error says so.
func TestACommandThatNobodyAnswers(t *testing.T) {
	m, state := under(t)
	w := newWorld(t, interceptor.Funcs{}, m, state)
	c := New(Config{Client: w, Namespace: "shop", Decode: decode, Patience: time.Millisecond})
	_, err := c.Submit(t.Context(), "churn", rollout.Command{Verb: rollout.Abort})
	if err == nil || !strings.Contains(err.Error(), "not answered yet") || !strings.Contains(err.Error(), "kubectl -n shop get rolloutcommand churn-abort-") {
		t.Errorf("%v", err)
	}
	var all v1alpha1.RolloutCommandList
	if err := w.List(t.Context(), &all); err != nil || len(all.Items) != 1 {
		t.Errorf("%d commands are left, %v", len(all.Items), err)
	}
}

func TestAnAnswerThatCannotBeRead(t *testing.T) {
	m, state := under(t)
	down := errors.New("connection refused")
	w := newWorld(t, interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if _, ok := o.(*v1alpha1.RolloutCommand); ok {
			return down
		}
		return c.Get(ctx, k, o, opts...)
	}}, m, state)
	c := New(Config{Client: w, Namespace: "shop", Decode: decode, Patience: time.Millisecond})
	if _, err := c.Submit(t.Context(), "churn", rollout.Command{Verb: rollout.Abort}); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
}

func TestNoCommandForNoRollout(t *testing.T) {
	if _, err := newWorld(t, interceptor.Funcs{}).client("shop").Submit(t.Context(), "churn", rollout.Command{Verb: rollout.Abort}); err == nil {
		t.Error("a command for nothing")
	}
}
