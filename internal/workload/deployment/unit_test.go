package deployment

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/internal/cluster"
)

func TestVersion(t *testing.T) {
	for image, want := range map[string]string{
		"churn:v2":                            "v2",
		"registry:5000/models/churn:1.4.0":    "1.4.0",
		"registry:5000/models/churn":          "churn",
		"churn@sha256:0123456789abcdef":       "0123456789ab",
		"registry/churn:v3@sha256:0123456789": "v3",
	} {
		p := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: image}}}}
		if got := version(&p); got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
		p.Labels = map[string]string{"app.kubernetes.io/version": "2026-03"}
		if got := version(&p); got != "2026-03" {
			t.Errorf("labelled: %q", got)
		}
	}
	if got := version(&corev1.PodTemplateSpec{}); got != "" {
		t.Errorf("no container: %q", got)
	}
}

// What Haldane and Kubernetes add is no change; what the user changes is one.
func TestHash(t *testing.T) {
	w := &Workload{r: cluster.Rollout{Spec: spec()}}
	of := func(change func(*corev1.PodTemplateSpec)) string {
		p := model(1, "churn:v1").Spec.Template
		p.Labels = map[string]string{"app": "churn"}
		change(&p)
		return w.hash(&p, scene{}, "")
	}
	plain := of(func(*corev1.PodTemplateSpec) {})
	for name, change := range map[string]func(*corev1.PodTemplateSpec){
		"the hash of Kubernetes": func(p *corev1.PodTemplateSpec) { p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = "1" },
		"a mark":                 func(p *corev1.PodTemplateSpec) { p.Labels[cluster.LabelRole] = "stable" },
		"an annotation of ours":  func(p *corev1.PodTemplateSpec) { annotate(p, AnnotationConfig, "x") },
		"the copy in service":    func(p *corev1.PodTemplateSpec) { *p = *w.stableTemplate(p, "x") },
		"empty maps":             func(p *corev1.PodTemplateSpec) { p.Annotations = map[string]string{} },
	} {
		if got := of(change); got != plain {
			t.Errorf("%s makes another revision", name)
		}
	}
	for name, change := range map[string]func(*corev1.PodTemplateSpec){
		"an image":   func(p *corev1.PodTemplateSpec) { p.Spec.Containers[0].Image = "churn:v2" },
		"a label":    func(p *corev1.PodTemplateSpec) { p.Labels["tier"] = "gold" },
		"a restart":  func(p *corev1.PodTemplateSpec) { annotate(p, "kubectl.kubernetes.io/restartedAt", "now") },
		"a variable": func(p *corev1.PodTemplateSpec) { p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A"}} },
	} {
		if got := of(change); got == plain {
			t.Errorf("%s makes no revision", name)
		}
	}
	if p := model(1, "churn:v1").Spec.Template; w.hash(&p, scene{}, "config") == w.hash(&p, scene{}, "") {
		t.Error("tracked configuration makes no revision")
	}
}

func TestDiagnose(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	waiting := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Message: strings.Repeat("x", 999), FinishedAt: at}}
	for _, c := range []struct {
		name     string
		status   corev1.ContainerStatus
		want     string
		hopeless bool
	}{
		{"starting", corev1.ContainerStatus{State: waiting("ContainerCreating", "")}, "", false},
		{"running", corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, Ready: true, RestartCount: 5, LastTerminationState: ended}, "", false},
		{"pulling", corev1.ContainerStatus{State: waiting("ErrImagePull", "denied")}, "ErrImagePull: denied", false},
		{"no name", corev1.ContainerStatus{State: waiting("InvalidImageName", "bad")}, "InvalidImageName", true},
		{"no config", corev1.ContainerStatus{State: waiting("CreateContainerConfigError", `secret "x" not found`)}, `secret "x" not found`, false},
		{"first crash", corev1.ContainerStatus{State: waiting("CrashLoopBackOff", ""), RestartCount: 1, LastTerminationState: ended}, "ended 1 times, last with exit code 1: xxx", false},
		{"loop", corev1.ContainerStatus{State: waiting("CrashLoopBackOff", ""), RestartCount: 3, LastTerminationState: ended}, "ended 3 times", true},
		{"between two", corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, RestartCount: 4, LastTerminationState: ended}, "ended 4 times", true},
	} {
		c.status.Name = "model"
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{c.status}}}
		got := diagnose([]corev1.Pod{p})
		if !strings.Contains(got.message, c.want) || (c.want == "") != (got.message == "") || (got.hopeless > 0) != c.hopeless || len(got.message) > 500 {
			t.Errorf("%s: %+v, want %q, hopeless %v", c.name, got, c.want, c.hopeless)
		}
		if c.hopeless && c.status.RestartCount > 0 && !got.since.Equal(at.Time) {
			t.Errorf("%s: since %s, want when it ended last", c.name, got.since)
		}
		p.DeletionTimestamp = &at
		if got := diagnose([]corev1.Pod{p}); got.message != "" {
			t.Errorf("%s: a pod that is going is ill: %+v", c.name, got)
		}
	}
}

func TestReadiest(t *testing.T) {
	set := func(name string, n int32) *appsv1.ReplicaSet {
		return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: appsv1.ReplicaSetStatus{AvailableReplicas: n}}
	}
	if got := readiest([]*appsv1.ReplicaSet{set("none", 0)}); got != nil {
		t.Errorf("%s has no ready pod", got.Name)
	}
	if got := readiest([]*appsv1.ReplicaSet{set("old", 3), set("new", 1)}); got.Name != "old" {
		t.Errorf("%s, want the one with most", got.Name)
	}
	if got := readiest([]*appsv1.ReplicaSet{set("old", 2), set("new", 2)}); got.Name != "new" {
		t.Errorf("%s, want the newer of equals", got.Name)
	}
}

// The candidate's Service is healed, and those of others are not taken.
func TestServices(t *testing.T) {
	w := bootstrapped(t, 2, nil)
	w.image("churn:v2")
	w.atStep(0)
	pin := w.service("churn-canary").Spec.Selector[appsv1.DefaultDeploymentUniqueLabelKey]
	s := w.service("churn-canary")
	s.Spec.Selector = map[string]string{"app": "churn"}
	w.must(w.c.Update(t.Context(), s))
	w.must(w.tick())
	if got := w.service("churn-canary").Spec.Selector[appsv1.DefaultDeploymentUniqueLabelKey]; got != pin {
		t.Errorf("the candidate's Service selects %q, want %q", got, pin)
	}
	user := w.service("churn")
	user.Spec.Ports = append(user.Spec.Ports, corev1.ServicePort{Name: "grpc", Port: 81, NodePort: 30000})
	w.must(w.c.Update(t.Context(), user))
	w.must(w.tick())
	if got := w.service("churn-stable").Spec.Ports; len(got) != 2 || got[1].NodePort != 0 {
		t.Errorf("ports %+v do not follow the user's Service", got)
	}
	theirs := userService()
	theirs.Name = "churn-canary"
	other := newWorld(t, newCluster(t, model(1, "churn:v1"), userService(), theirs), nil)
	var err error
	for range 4 {
		err = other.tick()
	}
	if err == nil || !strings.Contains(err.Error(), "was not made by Haldane") {
		t.Errorf("error %v", err)
	}
}
