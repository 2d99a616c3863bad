package selftest

import (
	"bufio"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// testCrashLoop: a program that ends at once is seen as CrashLoopBackOff, with
// the code and the words it ended with.
func testCrashLoop(t *testing.T, s space) {
	s.apply(`
apiVersion: v1
kind: Pod
metadata: {name: crash, namespace: NAMESPACE, labels: {app: crash}}
spec:
  containers:
  - name: web
    image: testapp:v1
    env: [{name: FAIL, value: the model file is missing}]
    terminationMessagePolicy: FallbackToLogsOnError
`)
	pod := s.pod("crash", "is in CrashLoopBackOff after a second restart", func(p *corev1.Pod) bool {
		c := p.Status.ContainerStatuses
		return len(c) == 1 && c[0].State.Waiting != nil && c[0].State.Waiting.Reason == "CrashLoopBackOff" && c[0].RestartCount >= 2
	})
	status := pod.Status.ContainerStatuses[0]
	// The first restart is immediate, the second waits a second, each further
	// one twice as long.
	wait := min(time.Second<<(status.RestartCount-1), 30*time.Second)
	if got, want := status.State.Waiting.Message, fmt.Sprintf("back-off %s restarting failed container=web pod=crash_", wait); !strings.HasPrefix(got, want) {
		t.Errorf("after %d restarts it waits because of %q, want %q", status.RestartCount, got, want)
	}
	last := status.LastTerminationState.Terminated
	if last == nil || last.ExitCode != 3 || last.Reason != "Error" || strings.TrimSpace(last.Message) != "the model file is missing" {
		t.Errorf("it ended with %+v, want code 3, reason Error and what it printed", last)
	}
	if pod.Status.Phase != corev1.PodRunning || ready(pod) {
		t.Errorf("phase %s, ready %t; want Running, not ready", pod.Status.Phase, ready(pod))
	}
}

// testMissingImage: a name that stands for nothing waits for it, and starts
// when it is there.
func testMissingImage(t *testing.T, s space) {
	s.apply(`{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: NAMESPACE, labels: {app: web}}, spec: {containers: [{name: c, image: "late:v1"}]}}`)
	pod := s.pod("web", "waits for its image", func(p *corev1.Pod) bool {
		c := p.Status.ContainerStatuses
		return len(c) == 1 && c[0].State.Waiting != nil && c[0].State.Waiting.Reason == "ImagePullBackOff"
	})
	if pod.Status.Phase != corev1.PodPending {
		t.Errorf("phase %s, want Pending", pod.Status.Phase)
	}
	s.AddImage("late:v1", clustertest.Image{Program: testapp(t), Args: []string{"web"}})
	s.pod("web", "runs", ready)
}

// testConfiguration: environment and files from ConfigMaps, Secrets and the
// pod itself; the pod waits for what is missing, and a ConfigMap that changes
// reaches the file.
func testConfiguration(t *testing.T, s space) {
	s.apply(configured)
	s.pod("configured", "waits for its ConfigMap", func(p *corev1.Pod) bool {
		c := p.Status.InitContainerStatuses
		return len(c) == 1 && c[0].State.Waiting != nil && p.Status.PodIP != ""
	})
	s.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NAMESPACE}
data: {color: red}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: NAMESPACE}
stringData: {token: s3cret}
`)
	s.pod("configured", "has started", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	s.kubectl("patch", "configmap", "settings", "-p", `{"data":{"color":"blue"}}`)
	pod := s.pod("configured", "has seen the change", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded })
	want := "hello world $(NAME) $(NOBODY)|1|node-1|" + pod.Status.PodIP + "|2|s3cret|from init|red|s3cret\n"
	if got := pod.Status.ContainerStatuses[0].State.Terminated.Message; got != want {
		t.Errorf("the container saw\n%q, want\n%q", got, want)
	}
}

const configured = `
apiVersion: v1
kind: Pod
metadata: {name: configured, namespace: NAMESPACE, labels: {app: configured, tier: "1"}}
spec:
  restartPolicy: Never
  volumes:
  - {name: config, configMap: {name: settings}}
  - {name: secret, secret: {secretName: keys, items: [{key: token, path: nested/token}]}}
  - {name: work, emptyDir: {}}
  initContainers:
  - name: first
    image: testapp:v1
    command: [sh, -c, "echo from init > /work/init"]
    volumeMounts: [{name: work, mountPath: /work}]
  containers:
  - name: c
    image: testapp:v1
    command: [bash, -c]
    args:
    - |
      echo "$GREETING|$TIER|$NODE|$POD_IP|$CPU|$TOKEN|$(cat /work/init)|$(cat /etc/settings/color)|$(cat /var/run/keys/nested/token)" > /dev/termination-log
      until [ "$(cat /etc/settings/color)" = blue ]; do sleep 0.1; done
    envFrom: [{secretRef: {name: keys}, prefix: K_}]
    env:
    - {name: NAME, value: world}
    - {name: GREETING, value: "hello $(NAME) $$(NAME) $(NOBODY)"}
    - {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: TOKEN, value: "$(K_token)"}
    resources: {limits: {cpu: 1500m, memory: 64Mi}}
    volumeMounts:
    - {name: config, mountPath: /etc/settings}
    - {name: secret, mountPath: /var/run/keys, readOnly: true}
    - {name: work, mountPath: /work}
`

// testJob: a pod that is to run once does.
func testJob(t *testing.T, s space) {
	s.apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: NAMESPACE}
spec:
  backoffLimit: 3
  template:
    spec:
      restartPolicy: OnFailure
      volumes: [{name: v, emptyDir: {}}]
      containers:
      - name: c
        image: testapp:v1
        command: [sh, -c, "[ -e /v/tried ] || { touch /v/tried; exit 1; }"]
        volumeMounts: [{name: v, mountPath: /v}]
`)
	s.kubectl("wait", "--for=condition=Complete", "job/once", "--timeout="+patience.String())
}

// testResources: a pod that asks for what another has waits for it.
func testResources(t *testing.T, s space) {
	for _, name := range []string{"first", "second"} {
		s.apply(`{apiVersion: v1, kind: Pod, metadata: {name: NAME, namespace: NAMESPACE, labels: {app: NAME}}, spec: {terminationGracePeriodSeconds: 1,
  containers: [{name: c, image: "testapp:v1", resources: {limits: {example.com/accelerator: 1}}}]}}`, "NAME", name)
		if name == "first" {
			s.pod("first", "is ready", ready)
		}
	}
	s.pod("second", "cannot be scheduled", func(p *corev1.Pod) bool {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled {
				return c.Reason == corev1.PodReasonUnschedulable
			}
		}
		return false
	})
	s.kubectl("delete", "pod", "first")
	s.pod("second", "is ready", ready)
}

// testLogs: kubectl logs shows this run and the previous one.
func testLogs(t *testing.T, s space) {
	s.deploy("web", "v1", 1)
	if got := s.kubectl("logs", "deployment/web"); got != "serving version v1\n" {
		t.Errorf("logs: %q", got)
	}
	s.breakPod(s.pod("web", "is ready", ready), "process")
	s.pod("web", "was restarted", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].RestartCount == 1 && ready(p)
	})
	if got, want := s.kubectl("logs", "deployment/web", "--previous"), "serving version v1\nasked to end badly\n"; got != want {
		t.Errorf("logs of the previous run: %q, want %q", got, want)
	}
	if got := s.kubectl("logs", "deployment/web", "--tail=1"); got != "serving version v1\n" {
		t.Errorf("the last line: %q", got)
	}
}

// testExec: kubectl exec enters the running container and tells how the
// command ended; port-forward reaches the pod.
func testExec(t *testing.T, s space) {
	s.deploy("web", "v1", 1)
	pod := s.pod("web", "is ready", ready)
	s.kubectl("exec", pod.Name, "--", "sh", "-c", "echo $VERSION > /tmp/note")
	if got, want := s.kubectl("exec", pod.Name, "--", "sh", "-c", "cat /tmp/note; hostname"), "v1\n"+pod.Name+"\n"; got != want {
		t.Errorf("exec prints %q, want %q", got, want)
	}
	cmd := s.KubectlCommand(t.Context(), "-n", s.name, "exec", "-i", pod.Name, "--", "sh", "-c", "cat; exit 5")
	cmd.Stdin = strings.NewReader("said")
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 5 || string(out) != "said" {
		t.Errorf("exec -i: %q, %v; want what was said, and code 5", out, err)
	}
	forward := s.KubectlCommand(t.Context(), "-n", s.name, "port-forward", "pod/"+pod.Name, ":8080")
	lines, err := forward.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = forward.Process.Kill(); _ = forward.Wait() }()
	line, err := bufio.NewReader(lines).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := strings.Fields(strings.TrimPrefix(line, "Forwarding from "))[0]
	response, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("Version"); got != "v1" {
		t.Errorf("through the forwarded port: version %q, want v1", got)
	}
}

// testToken: a pod reaches the API server by its Service with the token and
// the authority it was given, and may do what its account may.
func testToken(t *testing.T, s space) {
	s.apply(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: NAMESPACE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: NAMESPACE}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
---
apiVersion: v1
kind: Pod
metadata: {name: reader, namespace: NAMESPACE, labels: {app: reader}}
spec:
  serviceAccountName: reader
  restartPolicy: Never
  containers:
  - name: c
    image: testapp:v1
    command: [bash, -c, "PATH=BIN:$PATH; kubectl get configmap kube-root-ca.crt -o name > /dev/termination-log; ! kubectl get pods"]
`, "BIN", filepath.Dir(testapp(t)))
	pod := s.pod("reader", "has ended", func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	})
	if got := pod.Status.ContainerStatuses[0].State.Terminated; got.ExitCode != 0 || got.Message != "configmap/kube-root-ca.crt\n" {
		t.Errorf("ended with %d and %q\n%s", got.ExitCode, got.Message, s.kubectl("logs", "reader"))
	}
}

// testRestarts: pods outlive the absence of every component that is not them,
// and what happened meanwhile is told afterwards.
func testRestarts(t *testing.T, s space) {
	s.deploy("web", "v1", 2)
	victim := s.pod("web", "is ready", ready)
	s.Kill("kube-apiserver")
	if _, _, err := s.get("http://" + victim.Status.PodIP + ":8080/"); err != nil {
		t.Errorf("a pod does not answer while the API server is away: %v", err)
	}
	s.breakPod(victim, "process")
	s.StartComponent("kube-apiserver")
	s.pod("web", "is reported restarted", func(p *corev1.Pod) bool {
		return p.Name == victim.Name && p.Status.ContainerStatuses[0].RestartCount == 1 && ready(p)
	})
	for _, component := range []string{"kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd", "traefik", "prometheus"} {
		s.Restart(component)
	}
	s.Eventually(patience, "the API server has found etcd again", func() error {
		_, err := s.TryApply("{apiVersion: v1, kind: ConfigMap, metadata: {name: probe, namespace: " + s.name + "}}")
		return err
	})
	began := time.Now()
	s.deploy("web", "v2", 2)
	t.Logf("a rollout after everything was restarted took %s", time.Since(began).Round(100*time.Millisecond))
}
