package node

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPhase(t *testing.T) {
	running := corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	waiting := corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}}
	good := corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}
	bad := corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}
	crashing := waiting
	crashing.LastTerminationState = bad.State
	for _, test := range []struct {
		name  string
		mains []corev1.ContainerStatus
		inits []corev1.ContainerStatus
		ended bool
		want  corev1.PodPhase
	}{
		{"not yet", []corev1.ContainerStatus{running, waiting}, nil, false, corev1.PodPending},
		{"all run", []corev1.ContainerStatus{running, running}, nil, false, corev1.PodRunning},
		{"one crashes", []corev1.ContainerStatus{running, crashing}, nil, false, corev1.PodRunning},
		{"ends and will begin again", []corev1.ContainerStatus{good}, nil, false, corev1.PodRunning},
		{"ended well", []corev1.ContainerStatus{good, good}, nil, true, corev1.PodSucceeded},
		{"ended badly", []corev1.ContainerStatus{good, bad}, nil, true, corev1.PodFailed},
		{"deleted while waiting", []corev1.ContainerStatus{waiting}, nil, true, corev1.PodFailed},
		{"preparation fails, again", []corev1.ContainerStatus{waiting}, []corev1.ContainerStatus{bad}, false, corev1.PodPending},
		{"preparation failed", []corev1.ContainerStatus{waiting}, []corev1.ContainerStatus{bad}, true, corev1.PodFailed},
	} {
		w := &worker{pod: &corev1.Pod{}, ended: test.ended}
		if got := w.phase(corev1.PodStatus{ContainerStatuses: test.mains, InitContainerStatuses: test.inits}); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
