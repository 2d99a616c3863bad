package node

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// pushRetry is the wait after the API server has not taken a status.
const pushRetry = 500 * time.Millisecond

// pushLoop reports the pod's status whenever it has changed, until stop is
// closed and the last one has been reported or the pod is gone.
func (w *worker) pushLoop(stop chan struct{}) {
	for {
		last := false
		select {
		case <-w.dirty:
		case <-stop:
			last = true
		}
		for {
			err := w.push()
			if err == nil {
				break
			}
			w.agent.Log.Warn("report a pod's status", "pod", w.pod.Namespace+"/"+w.pod.Name, "err", err)
			select {
			case <-w.gone:
				return
			case <-time.After(pushRetry):
			}
		}
		if last {
			return
		}
	}
}

func (w *worker) push() error {
	w.mu.Lock()
	status := w.status()
	same := equality.Semantic.DeepEqual(status, w.reported)
	w.mu.Unlock()
	if same {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": w.pod.UID}, "status": status})
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	ctx, cancel := callContext()
	defer cancel()
	_, err = w.agent.Client.CoreV1().Pods(w.pod.Namespace).Patch(ctx, w.pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // this pod exists no more
	} else if err != nil {
		return err
	}
	w.mu.Lock()
	w.reported = status
	w.mu.Unlock()
	return nil
}

// remove deletes a pod that was asked to end and has. It tries until the API
// server has heard it.
func (w *worker) remove(ctx context.Context) {
	now, uid := int64(0), w.pod.UID
	for ctx.Err() == nil {
		call, cancel := callContext()
		err := w.agent.Client.CoreV1().Pods(w.pod.Namespace).Delete(call, w.pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &uid},
		})
		cancel()
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		w.agent.Log.Warn("delete a pod that has ended", "pod", w.pod.Namespace+"/"+w.pod.Name, "err", err)
		sleep(ctx, pushRetry)
	}
}

// status is what there is to say of the pod now. The caller holds w.mu.
func (w *worker) status() corev1.PodStatus {
	s := corev1.PodStatus{
		ObservedGeneration: w.latest.Generation,
		StartTime:          &w.began,
		HostIP:             layout.NodeIP,
		HostIPs:            []corev1.HostIP{{IP: layout.NodeIP}},
		QOSClass:           w.pod.Status.QOSClass,
	}
	if ip := w.addressLocked(); ip != "" {
		s.PodIP, s.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	}
	for _, c := range w.inits {
		s.InitContainerStatuses = append(s.InitContainerStatuses, c.status())
	}
	for _, c := range w.mains {
		s.ContainerStatuses = append(s.ContainerStatuses, c.status())
	}
	s.Phase = w.phase(s)
	s.Conditions = w.conditions(s)
	return s
}

func (c *container) status() corev1.ContainerStatus {
	started := c.started && c.state.Running != nil
	s := corev1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, State: c.state, LastTerminationState: c.last,
		RestartCount: c.restarts, Started: &started, Ready: started && c.ready,
	}
	if c.init {
		s.Ready = c.state.Terminated != nil && c.state.Terminated.ExitCode == 0
	}
	if len(c.view.Argv) > 0 {
		s.ImageID = "process://" + c.view.Argv[0]
		s.ContainerID = fmt.Sprintf("process://%s/%s/%d", c.w.pod.UID, c.spec.Name, c.restarts)
	}
	return s
}

func (w *worker) phase(s corev1.PodStatus) corev1.PodPhase {
	waiting, running, failed := 0, 0, 0
	for _, c := range s.ContainerStatuses {
		switch {
		case c.State.Running != nil:
			running++
		case c.State.Terminated != nil:
			if c.State.Terminated.ExitCode != 0 {
				failed++
			}
		case c.LastTerminationState.Terminated == nil:
			waiting++
		}
	}
	never := w.pod.Spec.RestartPolicy == corev1.RestartPolicyNever
	for _, c := range s.InitContainerStatuses {
		if c.State.Terminated != nil && c.State.Terminated.ExitCode != 0 && (never || w.ended) {
			return corev1.PodFailed
		}
	}
	switch {
	case w.ended && failed+waiting > 0:
		return corev1.PodFailed
	case w.ended:
		return corev1.PodSucceeded
	case waiting > 0:
		return corev1.PodPending
	default:
		return corev1.PodRunning
	}
}

// conditions keeps the time at which a condition last changed, and leaves
// alone the ones that others own.
func (w *worker) conditions(s corev1.PodStatus) []corev1.PodCondition {
	var unready []string
	for _, c := range s.ContainerStatuses {
		if !c.Ready {
			unready = append(unready, c.Name)
		}
	}
	initialized := true
	for _, c := range s.InitContainerStatuses {
		initialized = initialized && c.Ready
	}
	containersReady := len(unready) == 0
	ready := containersReady
	for _, gate := range w.pod.Spec.ReadinessGates {
		ready = ready && w.gate(gate.ConditionType)
	}
	message := ""
	if !containersReady {
		message = fmt.Sprintf("containers with unready status: %v", unready)
	}
	return []corev1.PodCondition{
		w.condition("PodReadyToStartContainers", s.PodIP != "", "", ""),
		w.condition(corev1.PodInitialized, initialized, "ContainersNotInitialized", ""),
		w.condition(corev1.ContainersReady, containersReady, "ContainersNotReady", message),
		w.condition(corev1.PodReady, ready, "ContainersNotReady", message),
	}
}

func (w *worker) gate(t corev1.PodConditionType) bool {
	for _, c := range w.latest.Status.Conditions {
		if c.Type == t {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (w *worker) condition(t corev1.PodConditionType, holds bool, reason, message string) corev1.PodCondition {
	c := corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now(), ObservedGeneration: w.latest.Generation}
	if !holds {
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, reason, message
	}
	for _, old := range w.reported.Conditions {
		if old.Type == t && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
	}
	return c
}
