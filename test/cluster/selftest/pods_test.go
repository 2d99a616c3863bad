package selftest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// get asks once, over a connection of its own, and returns the words of the
// answer: the version and the pod's name.
func (s space) get(url string) (version, pod string, err error) {
	client := s.HTTP()
	defer client.CloseIdleConnections()
	response, err := client.Get(url)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	words := strings.Fields(string(body))
	if err == nil && (response.StatusCode != http.StatusOK || len(words) != 2) {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	if err != nil {
		return "", "", err
	}
	return words[0], words[1], nil
}

// testService: a Service's address reaches both pods through kube-proxy, by
// its name and by its number, from outside and from another pod.
func testService(t *testing.T, s space) {
	s.deploy("web", "v1", 2)
	url := "http://web." + s.name + ".svc.cluster.local/"
	seen := map[string]int{}
	s.Eventually(patience, "both pods answer through the Service", func() error {
		version, pod, err := s.get(url)
		if err != nil {
			return err
		}
		if version != "v1" {
			t.Fatalf("version %q, want v1", version)
		}
		if seen[pod]++; len(seen) < 2 {
			return fmt.Errorf("answers so far: %v", seen)
		}
		return nil
	})
	s.apply(`{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: NAMESPACE, labels: {app: client}}, spec: {restartPolicy: Never,
  containers: [{name: c, image: "testapp:any", command: [bash, -c, 'exec 3<>/dev/tcp/$(getent hosts web | cut -d" " -f1)/80; printf "GET / HTTP/1.0\r\n\r\n" >&3; cat <&3 > /dev/termination-log']}]}}`)
	pod := s.pod("client", "has ended", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded })
	if got := pod.Status.ContainerStatuses[0].State.Terminated.Message; !strings.Contains(got, "v1 web-") {
		t.Errorf("another pod got %q from the Service, want an answer of v1", got)
	}
}

// testRollingUpdate: not one request fails while every pod is replaced.
func testRollingUpdate(t *testing.T, s space) {
	s.deploy("web", "v1", 2)
	url := "http://web." + s.name + "/"
	stop, done := make(chan struct{}), make(chan error, 1)
	answers := map[string]int{}
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			version, _, err := s.get(url)
			if err != nil {
				done <- err
				return
			}
			answers[version]++
		}
	}()
	s.deploy("web", "v2", 2)
	s.Eventually(patience, "only two pods are left", func() error {
		list, err := s.Client().CoreV1().Pods(s.name).List(context.Background(), metav1.ListOptions{})
		if err == nil && len(list.Items) != 2 {
			err = fmt.Errorf("%d pods", len(list.Items))
		}
		return err
	})
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("a request failed during the update: %v", err)
	}
	if answers["v1"] == 0 || answers["v2"] == 0 {
		t.Errorf("answers during the update: %v, want some of v1 and of v2", answers)
	}
}

// testReadiness: a pod that is not ready gets no traffic and is not restarted.
func testReadiness(t *testing.T, s space) {
	s.deploy("web", "v1", 2)
	victim := s.pod("web", "is ready", ready)
	s.breakPod(victim, "readyz")
	s.pod("web", "is not ready", func(p *corev1.Pod) bool { return p.Name == victim.Name && !ready(p) })
	s.Eventually(patience, "the Service has given the unready pod up", func() error {
		for range 20 {
			if _, pod, err := s.get("http://web." + s.name + "/"); err != nil {
				return err
			} else if pod == victim.Name {
				return fmt.Errorf("it still answers")
			}
		}
		return nil
	})
	s.pod("web", "was not restarted", func(p *corev1.Pod) bool {
		return p.Name == victim.Name && p.Status.ContainerStatuses[0].RestartCount == 0
	})
}

// testLiveness: a container that fails its liveness probe is started anew, in
// the same pod with the same address.
func testLiveness(t *testing.T, s space) {
	s.deploy("web", "v1", 1)
	victim := s.pod("web", "is ready", ready)
	s.breakPod(victim, "healthz")
	again := s.pod("web", "was restarted and is ready", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].RestartCount == 1 && ready(p)
	})
	if again.UID != victim.UID || again.Status.PodIP != victim.Status.PodIP {
		t.Errorf("the pod became %s at %s, want the same one at %s", again.Name, again.Status.PodIP, victim.Status.PodIP)
	}
}

func (s space) breakPod(p *corev1.Pod, what string) {
	s.t.Helper()
	response, err := s.HTTP().Post("http://"+p.Status.PodIP+":8080/break?what="+what, "", nil)
	if err != nil {
		if what == "process" {
			return // it ended before it answered
		}
		s.t.Fatal(err)
	}
	_ = response.Body.Close()
}

// testProbes: TCP, gRPC, exec and startup probes.
func testProbes(t *testing.T, s space) {
	s.apply(`
apiVersion: v1
kind: Pod
metadata: {name: probed, namespace: NAMESPACE, labels: {app: probed}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: state, emptyDir: {}}]
  containers:
  - name: tcp
    image: testapp:v1
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
  - name: grpc
    image: testgrpc:v1
    readinessProbe: {grpc: {port: 9000}, periodSeconds: 1}
  - name: exec
    image: testapp:v1
    command: [sh, -c, "trap 'exit 0' TERM; touch /state/up; while :; do sleep 0.1; done"]
    volumeMounts: [{name: state, mountPath: /state}]
    startupProbe: {exec: {command: [test, -e, /state/up]}, periodSeconds: 1, failureThreshold: 60}
    readinessProbe: {exec: {command: [test, -e, /state/ready]}, periodSeconds: 1}
  - name: never
    image: testapp:v1
    command: [sh, -c, "while [ ! -e /state/ready ]; do sleep 0.1; done; touch /state/seen; while :; do sleep 1; done"]
    volumeMounts: [{name: state, mountPath: /state}]
`)
	states := func(p *corev1.Pod) string {
		var ready []string
		for _, c := range p.Status.ContainerStatuses {
			if c.Ready {
				ready = append(ready, c.Name)
			}
		}
		return strings.Join(ready, " ")
	}
	pod := s.pod("probed", "is ready but for exec", func(p *corev1.Pod) bool { return states(p) == "tcp grpc never" })
	if ready(pod) {
		t.Error("the pod is ready while one of its containers is not")
	}
	s.Exec("touch", s.volume(pod, "state")+"/ready")
	s.pod("probed", "is ready", func(p *corev1.Pod) bool { return ready(p) && states(p) == "tcp grpc exec never" })
}

// volume is where a pod's volume lies on the host.
func (s space) volume(p *corev1.Pod, name string) string {
	return s.Dir() + "/pods/" + string(p.UID) + "/volumes/" + name
}

// testGracefulEnd: the hook runs first, then the program is asked to end and
// may finish; one that does not listen is killed when its grace is over.
func testGracefulEnd(t *testing.T, s space) {
	s.apply(`
apiVersion: v1
kind: Pod
metadata: {name: ending, namespace: NAMESPACE, labels: {app: ending}, finalizers: [example.com/look]}
spec:
  terminationGracePeriodSeconds: 3
  containers:
  - name: polite
    image: testapp:v1
    command: [sh, -c, "trap 'echo asked >> /dev/termination-log; exit 7' TERM; while :; do sleep 0.1; done"]
    lifecycle: {preStop: {exec: {command: [sleep, "0.5"]}}}
  - name: deaf
    image: testapp:v1
    command: [sh, -c, "trap '' TERM; while :; do sleep 0.1; done"]
`)
	s.pod("ending", "is ready", ready)
	began := time.Now()
	s.kubectl("delete", "pod", "ending", "--wait=false")
	pod := s.pod("ending", "has ended", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].State.Terminated != nil && p.Status.ContainerStatuses[1].State.Terminated != nil
	})
	polite, deaf := pod.Status.ContainerStatuses[0].State.Terminated, pod.Status.ContainerStatuses[1].State.Terminated
	if polite.ExitCode != 7 || polite.Message != "asked\n" {
		t.Errorf("the polite container ended with %d and the message %q, want 7 and %q", polite.ExitCode, polite.Message, "asked\n")
	}
	if deaf.ExitCode != 137 || time.Since(began) < 3*time.Second {
		t.Errorf("the deaf container ended with %d after %s, want 137 after its grace of 3s", deaf.ExitCode, time.Since(began))
	}
	s.kubectl("patch", "pod", "ending", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	s.kubectl("wait", "--for=delete", "pod/ending", "--timeout="+patience.String())
}
