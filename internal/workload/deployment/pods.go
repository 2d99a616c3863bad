package deployment

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hopelessAfter is how many restarts in a row make a container one that will
// not run by itself.
const hopelessAfter = 3

// longestReason bounds what a container's last words add to a message.
const longestReason = 300

// podsOf reads the pods of a Deployment, of one set of it if that is not nil.
func (w *Workload) podsOf(ctx context.Context, d *appsv1.Deployment, set *appsv1.ReplicaSet) ([]corev1.Pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("selector of Deployment %s: %w", d.Name, err)
	}
	match := []client.ListOption{client.InNamespace(d.Namespace), client.MatchingLabelsSelector{Selector: selector}}
	var l corev1.PodList
	if err := w.r.Client.List(ctx, &l, match...); err != nil {
		return nil, fmt.Errorf("list pods of Deployment %s: %w", d.Name, err)
	}
	if set == nil {
		return l.Items, nil
	}
	var of []corev1.Pod
	for _, p := range l.Items {
		if p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] == hashOf(set) {
			of = append(of, p)
		}
	}
	return of, nil
}

// illness is what ails some pods.
type illness struct {
	message  string // of the first that has a reason
	hopeless int    // pods that will not run by themselves
	restarts int
	since    time.Time // the newest failure of a hopeless one
}

func diagnose(pods []corev1.Pod) illness {
	var out illness
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			continue
		}
		message, hopeless, since := ailment(&p)
		for _, c := range p.Status.ContainerStatuses {
			out.restarts += int(c.RestartCount)
		}
		if message != "" && (out.message == "" || hopeless && out.hopeless == 0) {
			out.message = fmt.Sprintf("pod %s: %s", p.Name, message)
		}
		if hopeless {
			out.hopeless++
			if since.After(out.since) {
				out.since = since
			}
		}
	}
	return out
}

// ailment says what is wrong with a pod, "" if nothing is known to be.
func ailment(p *corev1.Pod) (message string, hopeless bool, since time.Time) {
	for _, all := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range all {
			if message, hopeless, since = of(&all[i]); message != "" {
				return message, hopeless, since
			}
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return fmt.Sprintf("cannot be scheduled: %s", c.Message), false, c.LastTransitionTime.Time
		}
	}
	return "", false, since
}

// of says what is wrong with a container.
func of(c *corev1.ContainerStatus) (message string, hopeless bool, since time.Time) {
	ended := c.LastTerminationState.Terminated
	if c.State.Terminated != nil && c.State.Terminated.ExitCode != 0 {
		ended = c.State.Terminated
	}
	if ended != nil {
		since = ended.FinishedAt.Time
	}
	crashed := ended != nil && !c.Ready && c.RestartCount > 0
	wait := c.State.Waiting
	switch {
	case wait != nil && wait.Reason == "CrashLoopBackOff", crashed:
		return fmt.Sprintf("container %s ended %d times%s", c.Name, max(1, c.RestartCount), lastWords(ended)), c.RestartCount >= hopelessAfter, since
	case wait == nil:
		return "", false, since
	case wait.Reason == "InvalidImageName":
		return fmt.Sprintf("container %s: %s: %s", c.Name, wait.Reason, wait.Message), true, since
	case wait.Reason == "ContainerCreating" || wait.Reason == "PodInitializing":
		return "", false, since
	}
	return strings.TrimSuffix(fmt.Sprintf("container %s: %s: %s", c.Name, wait.Reason, wait.Message), ": "), false, since
}

// lastWords tell how a container ended: ", last by exit code 137 (OOMKilled): …".
func lastWords(e *corev1.ContainerStateTerminated) string {
	if e == nil {
		return ""
	}
	text := fmt.Sprintf(", last with exit code %d", e.ExitCode)
	if e.Signal != 0 {
		text = fmt.Sprintf(", last by signal %d", e.Signal)
	}
	if r := cmp.Or(e.Reason, "Error"); r != "Error" {
		text += " (" + r + ")"
	}
	if m := strings.TrimSpace(e.Message); m != "" {
		text += ": " + m[:min(len(m), longestReason)]
	}
	return text
}
